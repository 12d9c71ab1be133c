package odoodb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// hold runs statements in a transaction that stays open, as a forgotten psql does.
func hold(t *testing.T, s *server.Server, database string, sqls ...string) (pid uint32, end func()) {
	t.Helper()
	c, err := engine.Connect(ctx, s.PG, engine.Login{User: odoodbtest.Superuser, Password: odoodbtest.RootPassword, Database: database, ApplicationName: "forgotten psql"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close(c) })
	for _, sql := range append([]string{"BEGIN"}, sqls...) {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return c.PgConn().PID(), func() { engine.Close(c) }
}

// TestLocked: whatever odpm does, somebody's lock ends the wait with an error that
// names him and the command that ends him, and nothing has changed.
func TestLocked(t *testing.T) {
	s := odoodbtest.NewServer(t)
	s.LockWait = 500 * time.Millisecond
	odoodbtest.LoadFixture(t, s, "db")
	file := filepath.Join(t.TempDir(), "x.zip")
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file}); err != nil {
		t.Fatal(err)
	}
	before := odoodbtest.Fingerprint(t, s, "db")
	odoo := odooFile(filepath.Join(t.TempDir(), "odoo"))
	if err := odoo.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in, lock string
		work     func() error
	}{
		"backup, a table":       {"db", `LOCK TABLE res_partner IN ACCESS EXCLUSIVE MODE`, func() error { return backupTo(t, s) }},
		"backup, the modules":   {"db", `LOCK TABLE ir_module_module IN ACCESS EXCLUSIVE MODE`, func() error { return backupTo(t, s) }},
		"backup, the collector": {"db", `LOCK TABLE ir_attachment IN SHARE MODE`, func() error { return backupTo(t, s) }},
		"password": {"db", `UPDATE res_users SET login = login`, func() error {
			_, err := adminpass.Set(ctx, s, adminpass.Password{Database: "db", Password: "x"})
			return err
		}},
		"modules": {"db", `LOCK TABLE ir_module_module IN ACCESS EXCLUSIVE MODE`, func() error { _, err := ModuleStates(ctx, s, "db"); return err }},
		"drop":    {server.Maintenance, `COMMENT ON DATABASE db IS 'x'`, func() error { _, err := drop.Database(ctx, s, "db"); return err }},
		"restore, the name": {server.Maintenance, `COMMENT ON DATABASE db IS 'x'`, func() error {
			_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db", Odoo: odoo})
			return err
		}},
		"restore, the row": {server.Maintenance, `ALTER DATABASE db CONNECTION LIMIT 7`, func() error {
			_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db", Odoo: odoo})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pid, end := hold(t, s, tt.in, tt.lock)
			var mu sync.Mutex
			var told []string
			s.Waiting = func(what string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, what)
			}
			err := tt.work()
			end()
			mu.Lock()
			defer mu.Unlock()
			command := `-d postgres -c 'SELECT pg_catalog.pg_terminate_backend(` + strconv.Itoa(int(pid)) + `)'`
			if !server.IsLocked(err) || !strings.Contains(err.Error(), command) || !strings.Contains(err.Error(), `"forgotten psql"`) || !strings.Contains(err.Error(), " since 20") {
				t.Errorf("%v", err)
			}
			if len(told) != 1 || !strings.Contains(told[0], command) {
				t.Errorf("told: %q", told)
			}
			if after := odoodbtest.Fingerprint(t, s, "db"); after != before {
				t.Errorf("it has changed:\n%s\n%s", before, after)
			}
			if ok := odoodbtest.Allowed(t, s, "db"); ok == nil || !*ok {
				t.Error("nobody is let in any more")
			}
			if runs, _ := odoo.Running(ctx); !runs {
				t.Error("Odoo was left down")
			}
			if left, err := LeftOvers(ctx, s); err != nil || len(left) > 0 {
				t.Errorf("left over: %v %v", left, err)
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		_, end := hold(t, s, "db", `LOCK TABLE ir_module_module IN ACCESS EXCLUSIVE MODE`)
		all, err := List(ctx, s)
		end()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if d.Name == "db" && (d.State != Unreadable || !strings.Contains(d.Reason, `"forgotten psql"`)) {
				t.Errorf("%+v", d)
			}
		}
	})
	t.Run("prepared transaction", func(t *testing.T) {

		c, err := odoodbtest.Root(s, "db")
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close(c)
		id := "left " + server.Token()
		for _, sql := range []string{`BEGIN`, `LOCK TABLE res_partner IN ACCESS EXCLUSIVE MODE`, `PREPARE TRANSACTION '` + id + `'`} {
			if _, err := c.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		err = backupTo(t, s)
		odoodbtest.MustAdmin(t, s, "db", `ROLLBACK PREPARED '`+id+`'`)
		if !server.IsLocked(err) || !strings.Contains(err.Error(), `ROLLBACK PREPARED '`+id+`';`) {
			t.Errorf("%v", err)
		}
	})
}

// backupTo makes a backup of db; one that fails leaves no file.
func backupTo(t *testing.T, s *server.Server) error {
	dir := t.TempDir()
	_, err := backup.Run(ctx, s, backup.Options{Database: "db", File: filepath.Join(dir, "y.zip")})
	if left, rerr := os.ReadDir(dir); err != nil && len(left) > 0 {
		err = errors.Join(err, rerr, errors.New("a file stays: "+left[0].Name()))
	}
	return err
}

// A lock that is given up in time is waited for.
func TestLockGivenUp(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	_, end := hold(t, s, "db", `LOCK TABLE res_partner IN ACCESS EXCLUSIVE MODE`)
	s.LockWait = time.Minute
	s.Waiting = func(string) { end() }
	if err := backupTo(t, s); err != nil {
		t.Error(err)
	}
}

// TestAutovacuumYields: the server ends an autovacuum worker that keeps somebody
// waiting, one second later; nobody has to be named and nothing ended for it.
func TestAutovacuumYields(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE db OWNER `+quote.Ident(s.AppRole))
	odoodbtest.MustAdmin(t, s, "db", `CREATE TABLE vacuumed AS SELECT g AS id, pg_catalog.repeat('x', 500) AS x FROM pg_catalog.generate_series(1, 20000) g`)
	odoodbtest.MustAdmin(t, s, "db", `ALTER TABLE vacuumed SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`)
	odoodbtest.MustAdmin(t, s, "db", `DELETE FROM vacuumed`)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER SYSTEM SET autovacuum_naptime = '1s'`)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `SELECT pg_catalog.pg_reload_conf()`)
	defer func() {
		odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER SYSTEM RESET autovacuum_naptime`)
		odoodbtest.MustAdmin(t, s, server.Maintenance, `SELECT pg_catalog.pg_reload_conf()`)
	}()
	c, err := odoodbtest.Root(s, "db")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var locked bool
		if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_locks l USING (pid)
			WHERE a.backend_type = 'autovacuum worker' AND l.relation = 'vacuumed'::regclass AND l.granted)`).Scan(&locked); err != nil {
			t.Fatal(err)
		}
		if locked {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no autovacuum worker came")
		}
	}
	s.LockWait = 500 * time.Millisecond
	s.Waiting = func(what string) { t.Logf("told: %s", what) }
	err = s.Unblocked(ctx, server.SessionOf(c), func(ctx context.Context) error {
		_, err := c.Exec(ctx, `ALTER TABLE vacuumed ADD COLUMN later int`)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
