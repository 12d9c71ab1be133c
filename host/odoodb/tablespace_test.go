package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// TestTablespaceNotMounted: PostgreSQL says of a database on a disk that is not
// mounted what it says of one whose directory an interrupted drop has removed. odpm
// advised to drop it, and finished a drop that a journal names.
func TestTablespaceNotMounted(t *testing.T) {
	for _, major := range []string{"12", "18"} {
		s, _ := odoodbtest.ServerOf(t, major)
		disk := odoodbtest.Value[string](t, s, server.Maintenance, `SELECT current_setting('data_directory')`) + "/../disk" + major
		disk = filepath.Clean(disk)
		shell := func(command string) {
			odoodbtest.MustAdmin(t, s, server.Maintenance, `COPY (SELECT WHERE false) TO PROGRAM `+quote.Literal(command))
		}
		shell("mkdir " + disk)
		odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE TABLESPACE disk LOCATION `+quote.Literal(disk))
		odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE shop TABLESPACE disk`)
		odoodbtest.MustAdmin(t, s, "shop", `CREATE TABLE kept ()`)
		files := filepath.Join(s.Files.Path("shop"), "ab")
		if err := os.MkdirAll(files, 0o755); err != nil {
			t.Fatal(err)
		}
		oid := odoodbtest.Value[uint32](t, s, server.Maintenance, `SELECT oid FROM pg_database WHERE datname = 'shop'`)
		odoodbtest.MustAdmin(t, s, server.Maintenance, `CHECKPOINT`) // nothing of it has to be written meanwhile
		shell("mv " + disk + " " + disk + ".away && mkdir " + disk)

		if _, err := s.App(ctx, "shop"); err == nil || server.IsInvalid(err) || server.IsMissing(err) || !strings.Contains(err.Error(), "mount it") {
			t.Errorf("%s: %v", major, err)
		}
		d, err := Look(ctx, s, "shop")
		if err != nil || d.State != Unreadable || !strings.Contains(d.Reason, "mount it") || strings.Contains(d.Reason, "--db-drop") {
			t.Errorf("%s: %+v %v", major, d, err)
		}
		j := drop.Journal{Version: journal.Version, Database: "shop", OID: oid, Allowed: true, Lock: server.HiddenPrefix + server.Token()}
		if err := journal.Save("drop", filepath.Join(s.StateDir, journal.DropPrefix+"x.json"), j, nil); err != nil {
			t.Fatal(err)
		}
		if done, err := Recover(ctx, s, nil); err != nil || len(done) != 1 || done[0].Completed {
			t.Errorf("%s: %+v %v", major, done, err)
		}
		shell("rmdir " + disk + " && mv " + disk + ".away " + disk)
		if n := odoodbtest.Value[int](t, s, "shop", `SELECT count(*)::int FROM pg_tables WHERE tablename = 'kept'`); n != 1 || !odoodbtest.Present(files) {
			t.Errorf("%s: %d tables, or its files are gone", major, n)
		}
	}
}
