package journal

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// Interrupted tells whether a crash left work for odoodb.Recover, without a server.
func Interrupted(stateDir string) bool {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".json") && slices.ContainsFunc([]string{RestorePrefix, BackupPrefix, DropPrefix}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return true
		}
	}
	return false
}

// RemoveUnfinished removes what a kill left between a journal's first byte and
// its name: shared/durable's temporary files, and those of odpm before it wrote
// journals with that. One that somebody has locked is of a backup that begins.
// What cannot be removed does no harm.
func RemoveUnfinished(stateDir string) {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !unfinishedName.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(stateDir, e.Name())
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
		if ok, err := lock.TryLock(); err == nil && ok {
			_ = os.Remove(path)
		}
		_ = lock.Close()
	}
}

var unfinishedName = regexp.MustCompile(`^\.(journal-|` + RestorePrefix + `|` + BackupPrefix + `|` + DropPrefix + `)`)

// Recovered is an interrupted restore or drop that the next run has dealt with.
type Recovered struct {
	Database string
	// Drop: it was a drop; Completed then says that the database is gone, and
	// Filestore is the directory that was removed, "" where there was none.
	Drop      bool
	Filestore string
	// Completed: the restored database is in place. Otherwise everything is as
	// it was before the restore.
	Completed bool
	// Kept is the name that the replaced database still has, with why it was
	// not dropped; empty if it was, or if it was to be kept.
	Kept string
	// OdooStarted: the interrupted run had stopped Odoo.
	OdooStarted bool
}
