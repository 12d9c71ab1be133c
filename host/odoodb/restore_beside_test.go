package odoodb

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// TestFilesBesideTheDatabase: the file store is unpacked while the server makes the new
// database, which takes it a second on some disks, and the load does not wait for an
// autovacuum of what it has just loaded.
func TestFilesBesideTheDatabase(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db"); fault.At = func(string) {} })
	unpacked := func() (n int) {
		_ = filepath.WalkDir(s.Files.Root(), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				n++
			}
			return nil
		})
		return n
	}
	seen, setting := 0, ""
	fault.At = func(now string) {
		if now == "loader made" {
			// The journal names the role; there is one restore here.
			setting = odoodbtest.Value[string](t, s, server.Maintenance, `SELECT coalesce(string_agg(setconfig::text, ''), '') FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole WHERE starts_with(rolname::text, 'odpm_')`)
		}
		for end := time.Now().Add(20 * time.Second); now == "created" && seen == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			seen = unpacked()
		}
	}
	rep, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 || rep.Files == 0 {
		t.Errorf("%d files were there when the database had been made, %d are there now", seen, rep.Files)
	}
	if !strings.Contains(setting, "deadlock_timeout=50ms") {
		t.Errorf("the role that loads has %q", setting)
	}
}
