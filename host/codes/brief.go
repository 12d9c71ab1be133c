package codes

import "strings"

// Brief is the first sentence of what an entry means.
func (e Entry) Brief() string {
	first, _, more := strings.Cut(e.Means, ". ")
	if more {
		return first + "."
	}
	return first
}
