package restore_test

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
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// TestRestoreOfWhatAnAdministratorAdded: extensions outside of public are where
// they were, and what only a superuser may make is left out with a warning.
func TestRestoreOfWhatAnAdministratorAdded(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	odoodbtest.MustAdmin(t, s, "db", `CREATE SCHEMA elsewhere`, `GRANT USAGE ON SCHEMA elsewhere TO `+quote.Ident(s.AppRole), `ALTER EXTENSION pg_trgm SET SCHEMA elsewhere`,
		`CREATE EXTENSION unaccent SCHEMA elsewhere`,
		`CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'`, `CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch()`,
		`CREATE EXTENSION pgstattuple`, `GRANT SELECT ON ir_module_module TO pg_monitor`, `REVOKE EXECUTE ON FUNCTION pg_ls_waldir() FROM pg_monitor`,
		`COMMENT ON EVENT TRIGGER watcher IS 'x'`, `ALTER EVENT TRIGGER watcher DISABLE`,
		`CREATE PUBLICATION everything FOR ALL TABLES`)
	odoodbtest.MustApp(t, s, "db", `CREATE TABLE added (a text)`, `CREATE INDEX ON added USING gin (a elsewhere.gin_trgm_ops)`,
		`CREATE VIEW plain AS SELECT elsewhere.unaccent(a) FROM added`)
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		file := filepath.Join(t.TempDir(), "a")
		made, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if got := made.Needs.String(); got != "extensions pg_trgm, pgstattuple, unaccent; roles pg_monitor" {
			t.Errorf("a restore needs: %s", got)
		}
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back " + string(format), Unaccent: true})
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

func TestRestore(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "oracle")
	for _, tc := range []struct {
		file, db string
		missing  int
	}{
		{"../testdata/o18.zip", `Kunde "A" ü $1 %s`, 0},
		{"../testdata/o18.dump", "fc", 9},
	} {
		t.Run(tc.file, func(t *testing.T) {
			var mu sync.Mutex
			phases := map[progress.Phase]progress.Event{}
			rep, err := restore.Run(ctx, s, restore.Options{File: tc.file, Database: tc.db, OdooMajor: 18, Progress: func(e progress.Event) {
				mu.Lock()
				phases[e.Phase] = e
				mu.Unlock()
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := odoodbtest.RowCounts(t, s, tc.db), odoodbtest.RowCounts(t, s, "oracle"); got != want {
				t.Error("rows differ from psql's restore")
			}
			if got, want := odoodbtest.SchemaOf(t, s, tc.db), odoodbtest.SchemaOf(t, s, "oracle"); got != want {
				t.Error("the schema differs from psql's restore")
			}
			if tc.missing == 0 && odoodbtest.TreeSum(t, s.Files.Path(tc.db)) != odoodbtest.TreeSum(t, s.Files.Path("oracle")) {
				t.Error("the file store differs from unzip's")
			}
			if rep.OdooMajor != 18 || rep.Modules != 12 || rep.Replaced || rep.Files != 9 || rep.Missing != tc.missing {
				t.Errorf("report %+v", rep)
			}
			if tc.missing > 0 && !slices.ContainsFunc(rep.Warnings, func(w string) bool { return strings.Contains(w, "9 of 9") }) {
				t.Errorf("the missing file store is not counted: %q", rep.Warnings)
			}
			foreign := odoodbtest.Value[int](t, s, tc.db, `SELECT count(*)::int FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> $1
				AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`, s.AppRole)
			if foreign != 0 {
				t.Errorf("%d objects do not belong to the application role", foreign)
			}
			visible := odoodbtest.Value[string](t, s, tc.db, `SELECT concat_ws(' ', datistemplate, datallowconn, datcollate, pg_encoding_to_char(encoding)) FROM pg_database WHERE datname = current_database()`)
			if visible != "f t C UTF8" {
				t.Errorf("the database is %s", visible)
			}
			for _, p := range []progress.Phase{progress.PhaseRestore, progress.PhaseIndexes, progress.PhaseFilestore, progress.PhaseVerify} {
				if e := phases[p]; !e.Finished || e.Done != e.Total {
					t.Errorf("progress of %s ends with %+v", p, e)
				}
			}
			odoodbtest.NoLeftovers(t, s)
		})
	}
}

func TestRestoreReplaces(t *testing.T) {
	s := odoodbtest.NewServer(t)
	const db = `alt "1"`
	odoodbtest.LoadFixture(t, s, db)
	reader := "reader " + server.Token()
	space := "space " + server.Token()
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE ROLE `+quote.Ident(reader), `SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE `+quote.Ident(space)+` LOCATION ''`,
		`ALTER DATABASE `+quote.Ident(db)+` SET TABLESPACE `+quote.Ident(space))
	t.Cleanup(func() { // before the databases go, which newServer's own clean-up does
		c, err := odoodbtest.Root(s, server.Maintenance)
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close(c)
		for _, db := range odoodbtest.Databases(t, s) {
			if err := drop.Hidden(ctx, &cluster.Session{Conn: c}, db, 0); err != nil {
				t.Error(err)
			}
		}
		odoodbtest.MustAdmin(t, s, server.Maintenance, `DROP ROLE `+quote.Ident(reader), `DROP TABLESPACE `+quote.Ident(space))
	})
	q := quote.Ident(db)
	odoodbtest.MustAdmin(t, s, db,
		`ALTER DATABASE `+q+` SET work_mem TO '7MB'`,
		`ALTER DATABASE `+q+` SET search_path TO "$user", public, "My Schema"`,
		`ALTER DATABASE `+q+` SET my.thing TO 'it''s \ "q"'`,
		`ALTER ROLE `+quote.Ident(s.AppRole)+` IN DATABASE `+q+` SET statement_timeout TO '5min'`,
		`ALTER DATABASE `+q+` CONNECTION LIMIT 33`,
		`REVOKE CONNECT ON DATABASE `+q+` FROM PUBLIC`,
		`GRANT CONNECT ON DATABASE `+q+` TO `+quote.Ident(reader)+` WITH GRANT OPTION`,
		`COMMENT ON DATABASE `+q+` IS 'do not touch: it''s \live'`)
	settings := func() string {
		return odoodbtest.Value[string](t, s, db, `SELECT concat_ws(' | ', datconnlimit, (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace), (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(datacl) x), shobj_description(oid, 'pg_database'),
			(SELECT string_agg(coalesce(setrole::regrole::text, '') || array_to_string(setconfig, ';'), ',' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
			FROM pg_database d WHERE datname = current_database()`)
	}
	want := settings()
	odoodbtest.MustApp(t, s, db, `CREATE TABLE only_in_the_old_one ()`)
	if err := os.WriteFile(s.Files.Path(db)+"/old", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	oldPrint := odoodbtest.Fingerprint(t, s, db)
	open, err := s.App(ctx, db) // somebody who is in there
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(open)

	odoo := &odoodbtest.OdooStub{Runs: true, OnStop: func() {
		// Until now the old one is in use and the new one cannot be seen.
		if odoodbtest.Value[int](t, s, db, `SELECT count(*)::int FROM pg_tables WHERE tablename = 'only_in_the_old_one'`) != 1 {
			t.Error("swapped before Odoo was stopped")
		}
		visible := odoodbtest.Value[int](t, s, server.Maintenance, `SELECT count(*)::int FROM pg_database WHERE pg_get_userbyid(datdba) = $1 AND NOT datistemplate AND datallowconn`, s.AppRole)
		if visible != 1 {
			t.Errorf("Odoo would list %d databases", visible)
		}
	}}
	rep, err := restore.Run(ctx, s, restore.Options{File: "../testdata/o18.zip", Database: db, KeepOld: true, Odoo: odoo})
	if err != nil {
		t.Fatal(err)
	}
	if got := settings(); got != want {
		t.Errorf("settings:\n got %s\nwant %s", got, want)
	}
	if !slices.Equal(odoo.Calls, []string{"stop", "start"}) {
		t.Errorf("Odoo: %v", odoo.Calls)
	}
	if !rep.Replaced || rep.Kept == "" || rep.KeptFilestore == "" {
		t.Fatalf("report %+v", rep)
	}
	if odoodbtest.Value[bool](t, s, server.Maintenance, `SELECT datallowconn FROM pg_database WHERE datname = $1`, rep.Kept) {
		t.Error("the kept database lets connections in")
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE `+quote.Ident(rep.Kept)+` ALLOW_CONNECTIONS true`)
	if odoodbtest.Fingerprint(t, s, rep.Kept) != oldPrint {
		t.Error("the kept database is not what it was")
	}
	odoodbtest.NoLeftovers(t, s)

	// Once more, and the replaced one goes.
	before := odoodbtest.Databases(t, s)
	odoo.Runs = false
	if rep, err = restore.Run(ctx, s, restore.Options{File: "../testdata/o18.zip", Database: db, Odoo: odoo}); err != nil {
		t.Fatal(err)
	}
	if rep.Kept != "" || !slices.Equal(odoodbtest.Databases(t, s), before) || odoo.Runs {
		t.Errorf("kept %q, databases %v, Odoo runs %v", rep.Kept, odoodbtest.Databases(t, s), odoo.Runs)
	}
	odoodbtest.NoLeftovers(t, s)
}

func TestRestoreTakesOverFiles(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	before := odoodbtest.Value[string](t, s, "db", `SELECT string_agg(DISTINCT store_fname, ' ') FROM ir_attachment`)
	rep, err := restore.Run(ctx, s, restore.Options{File: "../testdata/o18.dump", Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	missing := odoodbtest.MissingIn(t, s, "db", strings.Fields(before))
	if rep.Missing != 0 || len(missing) > 0 {
		t.Errorf("the replaced database's files were not taken over: %+v, %v", rep, missing)
	}
}

func TestRestoreKeepsAnOrphanFilestore(t *testing.T) {
	s := odoodbtest.NewServer(t)
	orphan := s.Files.Path("db")
	if err := os.MkdirAll(orphan, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan+"/precious", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err := restore.Run(ctx, s, restore.Options{File: "../testdata/o18.zip", Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(rep.KeptFilestore, "precious")); err != nil || len(rep.Warnings) == 0 {
		t.Errorf("%v, report %+v", err, rep)
	}
}

func TestCopyAndNeutralize(t *testing.T) {
	s := odoodbtest.NewServer(t)
	seen := ""
	rep, err := restore.Run(ctx, s, restore.Options{
		File: "../testdata/o18.zip", Database: "copy", Copy: true, BaseURL: "http://localhost:8070", Neutralize: true,
		NeutralizeWithOdoo: func(ctx context.Context, database string, modules []string) error {
			seen = database
			if len(modules) != 12 || !slices.Contains(odoodbtest.Databases(t, s), database) || slices.Contains(odoodbtest.Databases(t, s), "copy") {
				t.Errorf("called for %s with %v", database, modules)
			}
			odoodbtest.MustApp(t, s, database, odoodbtest.AsOdooNeutralizes...)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Copied || !rep.Neutralized || !strings.HasPrefix(seen, server.HiddenPrefix) {
		t.Errorf("report %+v", rep)
	}
	get := func(key string) string {
		return odoodbtest.Value[string](t, s, "copy", `SELECT value FROM ir_config_parameter WHERE key = $1`, key)
	}
	if get("database.uuid") == "7f4ef396-e74f-11f1-9023-02fc00000001" || get("database.secret") == "383a7a31-da55-4b70-92b5-432918326bf0" ||
		get("web.base.url") != "http://localhost:8070" || get("database.create_date") == "2026-11-23 15:06:44" {
		t.Error("the copy has its original's identity")
	}

	t.Run("a failure leaves nothing visible", func(t *testing.T) {
		for name, f := range map[string]neutralize.WithOdoo{
			"error":  func(context.Context, string, []string) error { return errors.New("module x is not on the path") },
			"silent": func(context.Context, string, []string) error { return nil },
		} {
			if _, err := restore.Run(ctx, s, restore.Options{File: "../testdata/o18.dump", Database: "copy2", Neutralize: true, NeutralizeWithOdoo: f}); err == nil {
				t.Errorf("%s: no error", name)
			}
			if slices.Contains(odoodbtest.Databases(t, s), "copy2") {
				t.Errorf("%s: the database is visible", name)
			}
			odoodbtest.NoLeftovers(t, s)
		}
	})
}

// A module's own NOT NULL column gets another server's value, or the empty one.
func TestNeutralizeUnknownColumns(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "n14", "14.0.1.3", append(ofVersion(14), `ALTER TABLE ir_mail_server ADD company_id int NOT NULL DEFAULT 7`, `ALTER TABLE ir_mail_server ALTER company_id DROP DEFAULT`,
		`ALTER TABLE ir_mail_server ADD kind text NOT NULL DEFAULT 'x', ADD day timestamp NOT NULL DEFAULT now(), ADD flag bool NOT NULL DEFAULT true`,
		`ALTER TABLE ir_mail_server ALTER kind DROP DEFAULT, ALTER day DROP DEFAULT, ALTER flag DROP DEFAULT`)...)
	if err := neutralized(s, "n14"); err != nil {
		t.Fatal(err)
	}
	if got := odoodbtest.Value[string](t, s, "n14", `SELECT concat_ws(' ', smtp_host, company_id, kind, flag) FROM ir_mail_server WHERE active`); got != "invalid 7 x t" {
		t.Errorf("got %s", got)
	}
	odoodbtest.MustApp(t, s, "n14", `DELETE FROM ir_mail_server`)
	if err := neutralized(s, "n14"); err != nil {
		t.Fatal(err)
	}
	if got := odoodbtest.Value[string](t, s, "n14", `SELECT concat_ws(' ', smtp_host, company_id, kind, flag) FROM ir_mail_server WHERE active`); got != "invalid 0  f" {
		t.Errorf("got %s", got)
	}
}

// TestNotNeutral: what is configured outside of the database is named, and the
// copy is nowhere, unless somebody says that he takes it.
func TestNotNeutral(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "live", "14.0.1.3", append(ofVersion(14), `ALTER TABLE ir_mail_server DROP smtp_host, DROP smtp_port, DROP smtp_encryption`,
		`ALTER TABLE ir_module_module ADD id serial`, `INSERT INTO ir_module_module (name, state, latest_version) VALUES ('mail_environment', 'installed', '14.0.1.0'), ('other_environment', 'uninstalled', NULL)`,
		`CREATE TABLE ir_module_module_dependency (id serial, name varchar, module_id int)`,
		`INSERT INTO ir_module_module_dependency (name, module_id) SELECT 'server_environment', id FROM ir_module_module WHERE name LIKE '%_environment'`)...)
	file := filepath.Join(t.TempDir(), "live.zip")
	if _, err := backup.Run(ctx, s, backup.Options{Database: "live", File: file}); err != nil {
		t.Fatal(err)
	}
	_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "copy", Neutralize: true})
	if !neutralize.IsNotNeutral(err) || !strings.Contains(err.Error(), "no column smtp_host") || !strings.Contains(err.Error(), "files, not from the database: mail_environment\n") || !strings.Contains(err.Error(), "--allow-incomplete-neutralize") {
		t.Errorf("%v", err)
	}
	if slices.Contains(odoodbtest.Databases(t, s), "copy") {
		t.Error("the copy is visible")
	}
	odoodbtest.NoLeftovers(t, s)
	rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "copy", Neutralize: true, AllowIncomplete: true})
	if err != nil || rep.Neutralized || !strings.Contains(strings.Join(rep.Warnings, "\n"), "NOT neutralized: these installed modules") {
		t.Errorf("%v %+v", err, rep)
	}
	if n := odoodbtest.Value[int](t, s, "copy", `SELECT count(*) FROM ir_config_parameter WHERE key = 'database.is_neutralized'`); n != 0 {
		t.Error("it carries Odoo's flag")
	}
	if n := odoodbtest.Value[int](t, s, "copy", `SELECT count(*) FROM ir_cron WHERE active`); n != 1 {
		t.Errorf("%d crons", n)
	}
}

func neutralized(s *server.Server, database string) error {
	c, err := s.App(ctx, database)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	return neutralize.Tables(ctx, c)
}
