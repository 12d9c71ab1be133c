package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
)

// FuzzJournals: what a journal says leads to dropping and deleting. One that is
// read names nothing but what odpm made.
func FuzzJournals(f *testing.F) {
	f.Add(`{"version": 1, "step": "loading", "target": "db", "new": "odpm_0123456789abcdef", "old": "odpm_0123456789abcdef_old", "filestore": "/d"}`)
	f.Add(`{"version": 1, "database": "db", "part": "/b/a.zip.part", "links": "/d/odpm_0123456789abcdef", "copies": "/b/odpm_0123456789abcdef"}`)
	f.Add(`{"version": 1, "database": "db", "oid": 1, "lock": "odpm_0123456789abcdef"}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		for _, prefix := range []string{journal.RestorePrefix, journal.BackupPrefix, journal.DropPrefix} {
			if err := os.WriteFile(filepath.Join(dir, prefix+"0123456789abcdef.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := swap.Journals(dir); err == nil {
			for _, j := range all {
				if !strings.HasPrefix(j.New, server.HiddenPrefix) || j.New == j.Target || strings.Contains(j.New+j.Old+j.Target, "/") {
					t.Errorf("a restore of %+v", j)
				}
			}
		}
		backups, _ := backup.Journals(dir)
		for _, j := range backups {
			if !j.Empty() && (!server.IsLeftOver(filepath.Base(j.Links)) || !server.IsLeftOver(filepath.Base(j.Copies)) || !strings.HasSuffix(j.Part, ".part")) {
				t.Errorf("a backup of %+v", j)
			}
		}
		if all, err := drop.Journals(dir); err == nil {
			for _, j := range all {
				if server.CheckName(j.Database) != nil || j.OID == 0 {
					t.Errorf("a drop of %+v", j)
				}
			}
		}
	})
}
