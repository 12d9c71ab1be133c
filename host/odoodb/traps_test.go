package odoodb

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/test/wiretap"
)

// trapTypes are those that PostgreSQL's catalogs have in their columns, and
// those that a driver gives to a parameter.
var trapTypes = []string{"name", "text", "varchar", "oid", `"char"`, "int2", "int4", "int8", "regnamespace"}

// traps are statements with which a role makes itself a superuser as soon as a
// superuser uses an operator, a function or a type of PostgreSQL's by a bare
// name: each fits better than PostgreSQL's own. They work as they should
// otherwise, so that nothing is seen of them.
func traps(role string) []string {
	spring := `IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user) THEN EXECUTE ` + quote.Literal(`ALTER ROLE `+quote.Ident(role)+` SUPERUSER`) + `; END IF;`
	out := []string{
		`CREATE FUNCTION public.spring() RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN ` + spring + ` RETURN true; END $f$`,
		`CREATE DOMAIN public.text AS pg_catalog.text CHECK (public.spring())`,
		`CREATE DOMAIN public.int8 AS pg_catalog.int8 CHECK (public.spring())`,
		`CREATE TYPE public.mood AS ENUM ('installed', 'base', '18.0.1.3')`,
		`CREATE FUNCTION public.spring(public.mood) RETURNS pg_catalog.text LANGUAGE plpgsql AS $f$ BEGIN ` + spring + ` RETURN pg_catalog.format('%s', $1); END $f$`,
		`CREATE CAST (public.mood AS pg_catalog.text) WITH FUNCTION public.spring(public.mood) AS IMPLICIT`,
	}
	for _, l := range trapTypes {
		for _, r := range trapTypes {
			for i, op := range []string{"=", "<>", "!~", "~~", "<", ">="} {
				f := fmt.Sprintf(`public."op %d"`, i)
				out = append(out,
					fmt.Sprintf(`CREATE FUNCTION %s(pg_catalog.%s, pg_catalog.%s) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN %s RETURN $1::pg_catalog.text OPERATOR(pg_catalog.%s) $2::pg_catalog.text; END $f$`, f, l, r, spring, op),
					fmt.Sprintf(`CREATE OPERATOR public.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = %s)`, op, l, r, f))
			}
		}
		for _, f := range []string{"format", "count", "current_setting", "to_char", "pg_get_userbyid", "sum", "set_config", "pg_terminate_backend", "starts_with", "nextval"} {
			out = append(out, fmt.Sprintf(`CREATE FUNCTION public.%s(pg_catalog.%s) RETURNS pg_catalog.text LANGUAGE plpgsql AS $f$ BEGIN %s RETURN NULL; END $f$`, f, l, spring))
		}
	}
	return out
}

// settings are what a database's owner, and a role for itself, may have
// sessions begin with.
func trapSettings(major int, other string) []string {
	out := []string{
		`search_path = public, pg_catalog`, `statement_timeout = 1`, `lock_timeout = 1`, `idle_in_transaction_session_timeout = 1`,
		`default_transaction_read_only = on`, `default_transaction_isolation = serializable`, `exit_on_error = on`, `client_min_messages = debug5`,
		`role = ` + quote.Ident(other), `DateStyle = 'SQL, DMY'`, `IntervalStyle = sql_standard`, `standard_conforming_strings = off`, `bytea_output = escape`,
		`quote_all_identifiers = on`, `transform_null_equals = on`, `array_nulls = off`, `row_security = off`, `TimeZone = 'Asia/Kathmandu'`, `client_encoding = LATIN1`,
		`debug_print_plan = on`, `debug_print_parse = on`, `tcp_user_timeout = 1`, `password_encryption = md5`,
	}
	if major >= 14 {
		out = append(out, `idle_session_timeout = 1`)
	}
	if major >= 17 {
		out = append(out, `transaction_timeout = 1`)
	}
	return out
}

// trapped is a server of that major with the application role, another owner,
// and everything that a database's owner can put in a superuser's way.
func trapped(t *testing.T, major int) (*server.Server, *wiretap.Tap) {
	t.Helper()
	s, c, tap := odoodbtest.LegacyServer(t, major, "")
	as := func(role, database string, sqls ...string) {
		t.Helper()
		conn, err := engine.Connect(ctx, c, engine.Login{User: role, Database: database})
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close(conn)
		for _, sql := range sqls {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	odoodbtest.OldOdoo(t, s, "prod", "18.0.1.3", `CREATE TABLE ir_attachment (id serial, store_fname varchar)`, `INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`,
		`CREATE SEQUENCE base_registry_signaling`)
	all := strings.Join(traps("odoo"), ";\n")
	as("rival", "postgres", `CREATE DATABASE rivals TEMPLATE template0`)
	as("rival", "rivals", strings.Join(traps("rival"), ";\n"),
		`CREATE TABLE public.ir_module_module (name public.mood, state public.mood, latest_version public.mood)`, `INSERT INTO public.ir_module_module VALUES ('base', 'installed', '18.0.1.3')`,
		`ALTER TABLE public.ir_module_module ENABLE ROW LEVEL SECURITY`, `CREATE POLICY p ON public.ir_module_module USING (public.spring())`,
		`CREATE TABLE public.ir_attachment (store_fname public.mood)`)
	as("odoo", "prod", all)
	if major < 15 {
		as("odoo", "postgres", all) // anybody may
		as("odoo", "template1", all)
	}
	var odoos, rivals []string // in one session each: the next one is trapped
	for _, setting := range trapSettings(major, "lesser") {
		odoos = append(odoos, `ALTER DATABASE prod SET `+setting, `ALTER ROLE odoo SET `+setting)
		rivals = append(rivals, `ALTER DATABASE rivals SET `+setting)
	}
	as("rival", "postgres", rivals...)
	as("odoo", "postgres", odoos...)
	return s, tap
}

// TestNobodyBecomesSuperuser runs everything that logs in as administrator on a
// server full of traps.
func TestNobodyBecomesSuperuser(t *testing.T) {
	for _, major := range []int{13, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s, tap := trapped(t, major)
			before := len(tap.Statements())
			list, err := List(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			versions := map[string]string{}
			for _, d := range list {
				versions[d.Name] = d.OdooVersion + d.Reason
			}
			if versions["prod"] != "18.0" || versions["rivals"] != "18.0" {
				t.Errorf("the list has %v", versions)
			}
			dir := t.TempDir()
			for _, db := range []string{"prod", "rivals"} {
				if _, err := backup.Run(ctx, s, backup.Options{Database: db, File: filepath.Join(dir, db+".zip")}); err != nil {
					t.Errorf("backup of %s: %v", db, err)
				}
			}
			if _, err := adminpass.Set(ctx, s, adminpass.Password{Database: "prod", Password: "neu", Login: "a\tb\\"}); err != nil {
				t.Errorf("set-admin-pass: %v", err)
			}
			file := filepath.Join(dir, "prod.zip") // with all of its traps
			withOdoo := func(ctx context.Context, database string, _ []string) error {
				c, err := s.App(ctx, database)
				if err != nil {
					return err
				}
				defer engine.Close(c)
				// What is trapped has no mail server.
				for _, sql := range odoodbtest.AsOdooNeutralizes[2:] {
					if _, err := c.Exec(ctx, sql); err != nil {
						return err
					}
				}
				return nil
			}
			for _, db := range []string{"prod", "copy"} {
				if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: db, Copy: true, Neutralize: true, NeutralizeWithOdoo: withOdoo}); err != nil {
					t.Errorf("restore as %s: %v", db, err)
				}
			}
			if _, err := List(ctx, s); err != nil {
				t.Error(err)
			}
			if _, err := LeftOvers(ctx, s); err != nil {
				t.Error(err)
			}
			h := cluster.Hints{App: cluster.Wanted{Role: "odoo", Password: "app"}}
			if _, err := cluster.Probe(ctx, tap, h, "odoo"); err != nil {
				t.Error(err)
			}
			if _, err := cluster.ShowSQL(ctx, tap, h.App, h); err != nil {
				t.Error(err)
			}
			if _, err := cluster.EnsureAppRole(ctx, tap, cluster.Wanted{Role: "odoo", Password: "another"}, cluster.EnsureOptions{Hints: h}); err != nil {
				t.Error(err)
			}
			if _, err := cluster.DiagnoseLogin(ctx, tap, h, "odoo", "wrong", "prod", nil); err != nil {
				t.Error(err)
			}
			for _, db := range []string{"copy", "prod", "rivals"} {
				if _, err := drop.Database(ctx, s, db); err != nil {
					t.Errorf("drop %s: %v", db, err)
				}
			}
			odoodbtest.NoLeftovers(t, s)
			if supers := odoodbtest.Value[string](t, s, server.Maintenance, `SELECT string_agg(rolname::pg_catalog.text, ' ') FROM pg_catalog.pg_roles WHERE rolsuper`); supers != "postgres" {
				t.Errorf("superusers are: %s", supers)
			}

			// What was sent as administrator could have meant nothing else.
			seen := map[string]bool{}
			for _, st := range tap.Statements()[before:] {
				if st.Startup["user"] != "postgres" || st.Startup["application_name"] != "odpm" || seen[st.SQL] {
					continue
				}
				seen[st.SQL] = true
				if st.Startup["search_path"] == "" {
					continue // this test's own
				}
				if why := wiretap.Inexact(st.SQL); why != "" {
					t.Errorf("%s, in what was sent as administrator:\n%s", why, st.SQL)
				}
				for _, p := range []string{"statement_timeout", "role", "session_preload_libraries", "log_statement", "row_security"} {
					if _, ok := st.Startup[p]; !ok {
						t.Errorf("the startup packet has no %s", p)
					}
				}
			}
			if len(seen) < 30 {
				t.Errorf("only %d statements were seen", len(seen))
			}
			for _, c := range tap.Commands() {
				if strings.Contains(c.Argv[0], "dump") && !strings.Contains(strings.Join(c.Env, "\n"), "PGOPTIONS=") {
					t.Errorf("%v runs without PGOPTIONS", c.Argv)
				}
			}
		})
	}
}
