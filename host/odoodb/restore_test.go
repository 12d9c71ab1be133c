package odoodb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/load"
)

// odooStub stands for the Odoo service; state is what the restore must leave
// as it found it.
type odooStub struct {
	mu      sync.Mutex
	running bool
	calls   []string
	failing string
	onStop  func()
}

func (o *odooStub) Running(context.Context) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running, nil
}

func (o *odooStub) call(name string, running bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, name)
	if o.failing == name {
		return errors.New(name + " fails")
	}
	o.running = running
	return nil
}

func (o *odooStub) Stop(context.Context) error {
	if o.onStop != nil {
		o.onStop()
	}
	return o.call("stop", false)
}
func (o *odooStub) Start(context.Context) error { return o.call("start", true) }

// TestRestoreOfWhatAnAdministratorAdded: extensions outside of public are where
// they were, and what only a superuser may make is left out with a warning.
func TestRestoreOfWhatAnAdministratorAdded(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, "db")
	mustAdmin(t, s, "db", `CREATE SCHEMA elsewhere`, `GRANT USAGE ON SCHEMA elsewhere TO `+ident(s.AppRole), `ALTER EXTENSION pg_trgm SET SCHEMA elsewhere`,
		`CREATE EXTENSION unaccent SCHEMA elsewhere`,
		`CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'`, `CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch()`,
		`CREATE EXTENSION pgstattuple`, `GRANT SELECT ON ir_module_module TO pg_monitor`, `REVOKE EXECUTE ON FUNCTION pg_ls_waldir() FROM pg_monitor`,
		`COMMENT ON EVENT TRIGGER watcher IS 'x'`, `ALTER EVENT TRIGGER watcher DISABLE`,
		`CREATE PUBLICATION everything FOR ALL TABLES`)
	mustApp(t, s, "db", `CREATE TABLE added (a text)`, `CREATE INDEX ON added USING gin (a elsewhere.gin_trgm_ops)`,
		`CREATE VIEW plain AS SELECT elsewhere.unaccent(a) FROM added`)
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		file := filepath.Join(t.TempDir(), "a")
		made, err := s.Backup(ctx, BackupOptions{Database: "db", File: file, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if got := made.Needs.String(); got != "extensions pg_trgm, pgstattuple, unaccent; roles pg_monitor" {
			t.Errorf("a restore needs: %s", got)
		}
		rep, err := s.Restore(ctx, RestoreOptions{File: file, Database: "back " + string(format), Unaccent: true})
		if err != nil {
			t.Fatal(err)
		}
		warnings := fmt.Sprint(rep.LeftOut)
		said := func(left []load.Omission) (texts []string) {
			for _, o := range left {
				texts = append(texts, o.Text)
			}
			slices.Sort(texts)
			return texts
		}
		if before, after := said(made.LeftOut), said(rep.LeftOut); !slices.Equal(before, after) {
			t.Errorf("the backup said that a restore leaves out:\n%s\nand it left out:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		for _, part := range []string{`event trigger "watcher" was left out`, `publication "everything" was left out`} {
			if !strings.Contains(warnings, part) {
				t.Errorf("%s is missing in %s", part, warnings)
			}
		}
	}
}

// noLeftovers: whatever happened, nothing of odpm's own is left behind.
func noLeftovers(t *testing.T, s *Server) {
	t.Helper()
	if left := value[string](t, s, maintenance, `SELECT concat_ws(' ', (SELECT string_agg(datname, ',') FROM pg_database WHERE datname ~ '^odpm_'),
		(SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname ~ '^odpm_'))`); left != "" {
		t.Errorf("databases or roles are left: %s", left)
	}
	for _, pattern := range []string{filepath.Join(s.Files.DataDir, "filestore", hiddenPrefix+"*"), filepath.Join(s.StateDir, "*"), filepath.Join(s.StateDir, ".*")} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			t.Errorf("left: %v", found)
		}
	}
}

func TestRestore(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, "oracle")
	for _, tc := range []struct {
		file, db string
		missing  int
	}{
		{"testdata/o18.zip", `Kunde "A" ü $1 %s`, 0},
		{"testdata/o18.dump", "fc", 9},
	} {
		t.Run(tc.file, func(t *testing.T) {
			var mu sync.Mutex
			phases := map[Phase]bool{}
			rep, err := s.Restore(ctx, RestoreOptions{File: tc.file, Database: tc.db, OdooMajor: 18, Progress: func(e Event) {
				mu.Lock()
				phases[e.Phase] = true
				mu.Unlock()
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := rowCounts(t, s, tc.db), rowCounts(t, s, "oracle"); got != want {
				t.Error("rows differ from psql's restore")
			}
			if got, want := schemaOf(t, s, tc.db), schemaOf(t, s, "oracle"); got != want {
				t.Error("the schema differs from psql's restore")
			}
			if tc.missing == 0 && treeSum(t, s.filestore(tc.db)) != treeSum(t, s.filestore("oracle")) {
				t.Error("the file store differs from unzip's")
			}
			if rep.OdooMajor != 18 || rep.Modules != 12 || rep.Replaced || rep.Files != 9 || rep.Missing != tc.missing {
				t.Errorf("report %+v", rep)
			}
			if tc.missing > 0 && !slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "9 of 9") }) {
				t.Errorf("the missing file store is not counted: %q", rep.Warnings)
			}
			foreign := value[int](t, s, tc.db, `SELECT count(*)::int FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> $1
				AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`, s.AppRole)
			if foreign != 0 {
				t.Errorf("%d objects do not belong to the application role", foreign)
			}
			visible := value[string](t, s, tc.db, `SELECT concat_ws(' ', datistemplate, datallowconn, datcollate, pg_encoding_to_char(encoding)) FROM pg_database WHERE datname = current_database()`)
			if visible != "f t C UTF8" {
				t.Errorf("the database is %s", visible)
			}
			for _, p := range []Phase{PhaseRestore, PhaseIndexes, PhaseFilestore, PhaseVerify} {
				if !phases[p] {
					t.Errorf("no progress of %s", p)
				}
			}
			noLeftovers(t, s)
		})
	}
}

func TestRestoreReplaces(t *testing.T) {
	s := newServer(t)
	const db = `alt "1"`
	loadFixture(t, s, db)
	reader := "reader " + token()
	space := "space " + token()
	mustAdmin(t, s, maintenance, `CREATE ROLE `+ident(reader), `SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE `+ident(space)+` LOCATION ''`,
		`ALTER DATABASE `+ident(db)+` SET TABLESPACE `+ident(space))
	t.Cleanup(func() { // before the databases go, which newServer's own clean-up does
		c, err := root(s, maintenance)
		if err != nil {
			t.Fatal(err)
		}
		defer closeConn(c)
		for _, db := range databases(t, s) {
			if err := dropHidden(ctx, &cluster.Session{Conn: c}, db, 0); err != nil {
				t.Error(err)
			}
		}
		mustAdmin(t, s, maintenance, `DROP ROLE `+ident(reader), `DROP TABLESPACE `+ident(space))
	})
	q := ident(db)
	mustAdmin(t, s, db,
		`ALTER DATABASE `+q+` SET work_mem TO '7MB'`,
		`ALTER DATABASE `+q+` SET search_path TO "$user", public, "My Schema"`,
		`ALTER DATABASE `+q+` SET my.thing TO 'it''s \ "q"'`,
		`ALTER ROLE `+ident(s.AppRole)+` IN DATABASE `+q+` SET statement_timeout TO '5min'`,
		`ALTER DATABASE `+q+` CONNECTION LIMIT 33`,
		`REVOKE CONNECT ON DATABASE `+q+` FROM PUBLIC`,
		`GRANT CONNECT ON DATABASE `+q+` TO `+ident(reader)+` WITH GRANT OPTION`,
		`COMMENT ON DATABASE `+q+` IS 'do not touch: it''s \live'`)
	settings := func() string {
		return value[string](t, s, db, `SELECT concat_ws(' | ', datconnlimit, (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace), (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(datacl) x), shobj_description(oid, 'pg_database'),
			(SELECT string_agg(coalesce(setrole::regrole::text, '') || array_to_string(setconfig, ';'), ',' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
			FROM pg_database d WHERE datname = current_database()`)
	}
	want := settings()
	mustApp(t, s, db, `CREATE TABLE only_in_the_old_one ()`)
	if err := os.WriteFile(s.filestore(db)+"/old", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	oldPrint := fingerprint(t, s, db)
	open, err := s.app(ctx, db) // somebody who is in there
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(open)

	odoo := &odooStub{running: true, onStop: func() {
		// Until now the old one is in use and the new one cannot be seen.
		if value[int](t, s, db, `SELECT count(*)::int FROM pg_tables WHERE tablename = 'only_in_the_old_one'`) != 1 {
			t.Error("swapped before Odoo was stopped")
		}
		visible := value[int](t, s, maintenance, `SELECT count(*)::int FROM pg_database WHERE pg_get_userbyid(datdba) = $1 AND NOT datistemplate AND datallowconn`, s.AppRole)
		if visible != 1 {
			t.Errorf("Odoo would list %d databases", visible)
		}
	}}
	rep, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.zip", Database: db, KeepOld: true, Odoo: odoo})
	if err != nil {
		t.Fatal(err)
	}
	if got := settings(); got != want {
		t.Errorf("settings:\n got %s\nwant %s", got, want)
	}
	if !slices.Equal(odoo.calls, []string{"stop", "start"}) {
		t.Errorf("Odoo: %v", odoo.calls)
	}
	if !rep.Replaced || rep.Kept == "" || rep.KeptFilestore == "" {
		t.Fatalf("report %+v", rep)
	}
	if value[bool](t, s, maintenance, `SELECT datallowconn FROM pg_database WHERE datname = $1`, rep.Kept) {
		t.Error("the kept database lets connections in")
	}
	mustAdmin(t, s, maintenance, `ALTER DATABASE `+ident(rep.Kept)+` ALLOW_CONNECTIONS true`)
	if fingerprint(t, s, rep.Kept) != oldPrint {
		t.Error("the kept database is not what it was")
	}
	noLeftovers(t, s)

	// Once more, and the replaced one goes.
	before := databases(t, s)
	odoo.running = false
	if rep, err = s.Restore(ctx, RestoreOptions{File: "testdata/o18.zip", Database: db, Odoo: odoo}); err != nil {
		t.Fatal(err)
	}
	if rep.Kept != "" || !slices.Equal(databases(t, s), before) || odoo.running {
		t.Errorf("kept %q, databases %v, Odoo runs %v", rep.Kept, databases(t, s), odoo.running)
	}
	noLeftovers(t, s)
}

func TestRestoreTakesOverFiles(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, "db")
	before := value[string](t, s, "db", `SELECT string_agg(DISTINCT store_fname, ' ') FROM ir_attachment`)
	rep, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.dump", Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	missing := missingIn(t, s, "db", strings.Fields(before))
	if rep.Missing != 0 || len(missing) > 0 {
		t.Errorf("the replaced database's files were not taken over: %+v, %v", rep, missing)
	}
}

func TestRestoreKeepsAnOrphanFilestore(t *testing.T) {
	s := newServer(t)
	orphan := s.filestore("db")
	if err := os.MkdirAll(orphan, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan+"/precious", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.zip", Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(rep.KeptFilestore, "precious")); err != nil || len(rep.Warnings) == 0 {
		t.Errorf("%v, report %+v", err, rep)
	}
}

// asOdooNeutralizes is what Odoo's own command does about mail, and its flag.
var asOdooNeutralizes = []string{
	`UPDATE ir_mail_server SET active = false`,
	`INSERT INTO ir_mail_server (name, smtp_port, smtp_host, smtp_encryption, active, smtp_authentication) VALUES ('neutralization - disable emails', 1025, 'invalid', 'none', true, 'login')`,
	`INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true')`,
}

func TestCopyAndNeutralize(t *testing.T) {
	s := newServer(t)
	seen := ""
	rep, err := s.Restore(ctx, RestoreOptions{
		File: "testdata/o18.zip", Database: "copy", Copy: true, BaseURL: "http://localhost:8070", Neutralize: true,
		NeutralizeWithOdoo: func(ctx context.Context, database string, modules []string) error {
			seen = database
			if len(modules) != 12 || !slices.Contains(databases(t, s), database) || slices.Contains(databases(t, s), "copy") {
				t.Errorf("called for %s with %v", database, modules)
			}
			mustApp(t, s, database, asOdooNeutralizes...)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Copied || !rep.Neutralized || !strings.HasPrefix(seen, hiddenPrefix) {
		t.Errorf("report %+v", rep)
	}
	get := func(key string) string {
		return value[string](t, s, "copy", `SELECT value FROM ir_config_parameter WHERE key = $1`, key)
	}
	if get("database.uuid") == "7f4ef396-e74f-11f1-9023-02fc00000001" || get("database.secret") == "383a7a31-da55-4b70-92b5-432918326bf0" ||
		get("web.base.url") != "http://localhost:8070" || get("database.create_date") == "2026-11-23 15:06:44" {
		t.Error("the copy has its original's identity")
	}

	t.Run("a failure leaves nothing visible", func(t *testing.T) {
		for name, f := range map[string]NeutralizeWithOdoo{
			"error":  func(context.Context, string, []string) error { return errors.New("module x is not on the path") },
			"silent": func(context.Context, string, []string) error { return nil },
		} {
			if _, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.dump", Database: "copy2", Neutralize: true, NeutralizeWithOdoo: f}); err == nil {
				t.Errorf("%s: no error", name)
			}
			if slices.Contains(databases(t, s), "copy2") {
				t.Errorf("%s: the database is visible", name)
			}
			noLeftovers(t, s)
		}
	})
}

// A module's own NOT NULL column gets another server's value, or the empty one.
func TestNeutralizeUnknownColumns(t *testing.T) {
	s := newServer(t)
	oldOdoo(t, s, "n14", "14.0.1.3", append(ofVersion(14), `ALTER TABLE ir_mail_server ADD company_id int NOT NULL DEFAULT 7`, `ALTER TABLE ir_mail_server ALTER company_id DROP DEFAULT`,
		`ALTER TABLE ir_mail_server ADD kind text NOT NULL DEFAULT 'x', ADD day timestamp NOT NULL DEFAULT now(), ADD flag bool NOT NULL DEFAULT true`,
		`ALTER TABLE ir_mail_server ALTER kind DROP DEFAULT, ALTER day DROP DEFAULT, ALTER flag DROP DEFAULT`)...)
	if err := neutralized(s, "n14"); err != nil {
		t.Fatal(err)
	}
	if got := value[string](t, s, "n14", `SELECT concat_ws(' ', smtp_host, company_id, kind, flag) FROM ir_mail_server WHERE active`); got != "invalid 7 x t" {
		t.Errorf("got %s", got)
	}
	mustApp(t, s, "n14", `DELETE FROM ir_mail_server`)
	if err := neutralized(s, "n14"); err != nil {
		t.Fatal(err)
	}
	if got := value[string](t, s, "n14", `SELECT concat_ws(' ', smtp_host, company_id, kind, flag) FROM ir_mail_server WHERE active`); got != "invalid 0  f" {
		t.Errorf("got %s", got)
	}
}

// TestNotNeutral: what is configured outside of the database is named, and the
// copy is nowhere, unless somebody says that he takes it.
func TestNotNeutral(t *testing.T) {
	s := newServer(t)
	oldOdoo(t, s, "live", "14.0.1.3", append(ofVersion(14), `ALTER TABLE ir_mail_server DROP smtp_host, DROP smtp_port, DROP smtp_encryption`,
		`ALTER TABLE ir_module_module ADD id serial`, `INSERT INTO ir_module_module (name, state, latest_version) VALUES ('mail_environment', 'installed', '14.0.1.0'), ('other_environment', 'uninstalled', NULL)`,
		`CREATE TABLE ir_module_module_dependency (id serial, name varchar, module_id int)`,
		`INSERT INTO ir_module_module_dependency (name, module_id) SELECT 'server_environment', id FROM ir_module_module WHERE name LIKE '%_environment'`)...)
	file := filepath.Join(t.TempDir(), "live.zip")
	if _, err := s.Backup(ctx, BackupOptions{Database: "live", File: file}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Restore(ctx, RestoreOptions{File: file, Database: "copy", Neutralize: true})
	if !IsNotNeutral(err) || !strings.Contains(err.Error(), "no column smtp_host") || !strings.Contains(err.Error(), "files, not from the database: mail_environment\n") || !strings.Contains(err.Error(), "--allow-incomplete-neutralize") {
		t.Errorf("%v", err)
	}
	if slices.Contains(databases(t, s), "copy") {
		t.Error("the copy is visible")
	}
	noLeftovers(t, s)
	rep, err := s.Restore(ctx, RestoreOptions{File: file, Database: "copy", Neutralize: true, AllowIncomplete: true})
	if err != nil || rep.Neutralized || !strings.Contains(strings.Join(rep.Warnings, "\n"), "NOT neutralized: these installed modules") {
		t.Errorf("%v %+v", err, rep)
	}
	if n := value[int](t, s, "copy", `SELECT count(*) FROM ir_config_parameter WHERE key = 'database.is_neutralized'`); n != 0 {
		t.Error("it carries Odoo's flag")
	}
	if n := value[int](t, s, "copy", `SELECT count(*) FROM ir_cron WHERE active`); n != 1 {
		t.Errorf("%d crons", n)
	}
}

func neutralized(s *Server, database string) error {
	c, err := s.app(ctx, database)
	if err != nil {
		return err
	}
	defer closeConn(c)
	return neutralizeTables(ctx, c)
}
