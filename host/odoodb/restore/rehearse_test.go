package restore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// TestRehearse: an archive is restored, compared and run, and nothing of it stays.
func TestRehearse(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for _, file := range []string{"../testdata/o18.zip", "../testdata/o18.dump"} {
		before := strings.Join(odoodbtest.Databases(t, s), ",")
		seen := ""
		rep, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: file, OdooMajor: 18},
			Odoo: func(_ context.Context, database string) error {
				seen = database
				if n := odoodbtest.Value[int](t, s, database, `SELECT count(*) FROM ir_module_module WHERE state = 'installed'`); n != 12 {
					t.Errorf("%d modules", n)
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		if !rep.RowsCompared || rep.Rows < 1000 || rep.Rows != rep.Verify.Rows || !rep.OdooRan || !server.IsLeftOver(seen) || len(rep.SHA256) != 64 || !strings.HasPrefix(rep.ServerVersion, "1") {
			t.Errorf("%s: %+v", file, rep)
		}
		if strings.HasSuffix(file, ".zip") && rep.Checked != 18 {
			t.Errorf("%d files", rep.Checked)
		}
		if after := strings.Join(odoodbtest.Databases(t, s), ","); after != before {
			t.Errorf("databases %s, before %s", after, before)
		}
		odoodbtest.NoLeftovers(t, s)
	}
}

// In a cluster with ICU a new database sorts by ICU's rules, whatever datcollate says.
func TestRehearseICU(t *testing.T) {
	s, _, _ := odoodbtest.LegacyServer(t, 15, "")
	odoodbtest.MustAdmin(t, s, server.Maintenance, `UPDATE pg_database SET datlocprovider = 'i', daticulocale = 'de-DE' WHERE datname = 'template0'`)
	rep, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: "../testdata/o18.zip"}})
	if err != nil || rep.Collation != "de-DE" {
		t.Errorf("collation %q, %v", rep.Collation, err)
	}
}

// What differs from the archive in the end is not proven, whatever the reason.
func TestRehearseNotProven(t *testing.T) {
	s := odoodbtest.NewServer(t)
	hidden := func() string {
		return odoodbtest.Value[string](t, s, server.Maintenance, `SELECT datname::text FROM pg_database WHERE datname ~ '^odpm_[0-9a-f]{16}$'`)
	}
	defer func() { fault.At = func(string) {} }()
	for name, tt := range map[string]struct {
		at   string
		do   func()
		odoo func(context.Context, string) error
		want string
	}{
		"a row": {at: "filled", do: func() {
			odoodbtest.MustAdmin(t, s, hidden(), `DELETE FROM ir_config_parameter WHERE key = 'database.uuid'`)
		}, want: "rows and the restored database"},
		"a file": {at: "filled", do: func() {
			found, err := filepath.Glob(filepath.Join(s.Files.Path(hidden()), "??", "*"))
			if err == nil && len(found) > 0 {
				err = os.WriteFile(found[0], []byte("x"), 0o644)
			}
			if err != nil || len(found) == 0 {
				t.Error(found, err)
			}
		}, want: "1 of them damaged"},
		"Odoo": {odoo: func(context.Context, string) error { return errors.New("a module does not load") }, want: "a module does not load"},
	} {
		fault.At = func(at string) {
			if at == tt.at {
				tt.do()
			}
		}
		rep, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: "../testdata/o18.zip"}, Odoo: tt.odoo})
		fault.At = func(string) {}
		if err == nil || !strings.Contains(err.Error(), tt.want) || rep.OdooRan {
			t.Errorf("%s: %v", name, err)
		}
		odoodbtest.NoLeftovers(t, s)
	}
}
