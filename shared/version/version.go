// Package version says which build a program is. The Makefile, Dockerfile.checker
// and `make dist` set it with the linker.
package version

import (
	"cmp"
	"runtime/debug"
)

// Set with -ldflags "-X github.com/odpm/odpm/shared/version.Number=…".
var (
	// Number is a tag, such as v1.2.3, or what git describe gives.
	Number string
	// Commit is the commit's full hash.
	Commit string
	// Date is the commit's, in RFC 3339: a build's own would make every build
	// another one.
	Date string
)

// String is the number, and where they are known the commit and its date:
// "v1.2.3 (commit 0123456789ab, 2026-11-24T02:45:43Z)". A program that "go
// install" built knows them from the module and from git.
func String() string {
	number, commit, date := Number, Commit, Date
	if info, ok := debug.ReadBuildInfo(); ok && number == "" {
		number = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = s.Value
			case "vcs.time":
				date = s.Value
			}
		}
	}
	return text(cmp.Or(number, "(devel)"), commit, date)
}

func text(number, commit, date string) string {
	switch {
	case commit != "" && date != "":
		return number + " (commit " + commit[:min(12, len(commit))] + ", " + date + ")"
	case commit != "":
		return number + " (commit " + commit[:min(12, len(commit))] + ")"
	}
	return number
}
