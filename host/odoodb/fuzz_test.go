package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		for _, prefix := range []string{journalPrefix, backupPrefix, dropPrefix} {
			if err := os.WriteFile(filepath.Join(dir, prefix+"0123456789abcdef.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := journals(dir); err == nil {
			for _, j := range all {
				if !strings.HasPrefix(j.New, hiddenPrefix) || j.New == j.Target || strings.Contains(j.New+j.Old+j.Target, "/") {
					t.Errorf("a restore of %+v", j)
				}
			}
		}
		backups, _ := backupJournals(dir)
		for _, j := range backups {
			if !j.empty() && (!isLeftOver(filepath.Base(j.Links)) || !isLeftOver(filepath.Base(j.Copies)) || !strings.HasSuffix(j.Part, partSuffix)) {
				t.Errorf("a backup of %+v", j)
			}
		}
		if all, err := dropJournals(dir); err == nil {
			for _, j := range all {
				if checkName(j.Database) != nil || j.OID == 0 {
					t.Errorf("a drop of %+v", j)
				}
			}
		}
	})
}
