// Package tag reads the tag of a postgres image.
package tag

import (
	"regexp"
	"strconv"
	"strings"
)

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

// suffixMajor is PostgreSQL's major in the tag of another product:
// pgvector:pg16, timescaledb:2.14.2-pg16.
var suffixMajor = regexp.MustCompile(`(?:^|[-._])pg([0-9]{1,2})(?:$|[-._])`)

// versionedName are the images whose tag begins with PostgreSQL's own version.
var versionedName = regexp.MustCompile(`^(postgres|postgresql|postgis)$`)

// Suffix reads the major from "pg16" in a tag, "" where there is none.
func Suffix(tag string) string {
	if m := suffixMajor.FindStringSubmatch(tag); m != nil {
		return m[1]
	}
	return ""
}

// Split gives an image's name without registry and path, lower-cased, and its
// tag.
func Split(ref string) (name, tag string) {
	ref, _, _ = strings.Cut(ref, "@")
	last := ref[strings.LastIndex(ref, "/")+1:]
	name, tag, _ = strings.Cut(last, ":")
	return strings.ToLower(name), tag
}

// OfImage is the PostgreSQL major that an image's reference tells for certain,
// 0 where it tells none: a tag like citus:12.1 is the product's version.
func OfImage(ref string) int {
	name, t := Split(ref)
	if s := Suffix(t); s != "" {
		n, _ := strconv.Atoi(s)
		return n
	}
	if versionedName.MatchString(name) {
		return Major(t)
	}
	return 0
}
