package odoodb

import (
	"os"
	"slices"
	"strings"
)

// Interrupted tells whether a crash left work for Recover, without a server.
func Interrupted(stateDir string) bool {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".json") && slices.ContainsFunc([]string{journalPrefix, backupPrefix, dropPrefix}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return true
		}
	}
	return false
}
