package odoodb

import (
	"os"
	"strings"
)

// Interrupted tells whether a crash left work for Recover, without a server.
func Interrupted(stateDir string) bool {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".json") && (strings.HasPrefix(name, journalPrefix) || strings.HasPrefix(name, backupPrefix)) {
			return true
		}
	}
	return false
}
