// Package tag reads the tag of a postgres image.
package tag

import "strconv"

// Major reads the major from an image tag: 15 of "15", "15.6", "15-alpine",
// "17beta1"; 0 where the tag does not start with one ("latest").
func Major(tag string) int {
	end := 0
	for end < len(tag) && tag[end] >= '0' && tag[end] <= '9' {
		end++
	}
	if end == 0 || end > 3 {
		return 0
	}
	// "b" and "r" begin beta1 and rc1; any other letter is another product's tag.
	if end < len(tag) && tag[end] != '.' && tag[end] != '-' && tag[end] != 'b' && tag[end] != 'r' {
		return 0
	}
	n, _ := strconv.Atoi(tag[:end])
	return n
}
