package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/test/inherited/legacy"
)

func TestProbe(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`CREATE ROLE "o do" LOGIN CREATEDB PASSWORD 'x' VALID UNTIL '2020-02-02 00:00+00'`, `CREATE DATABASE shop OWNER "o do"`}})
	f, err := cluster.Probe(ctx, c, cluster.Hints{}, "o do")
	if err != nil {
		t.Fatal(err)
	}
	if f.Major != 15 || f.VersionNum/10000 != 15 || f.SystemIdentifier == "" || !f.Superuser || f.Login != "postgres" || f.DataDirectory != c.ClusterDir() {
		t.Errorf("%+v", f)
	}
	r := f.AppRole
	if f.AppRolePresent == nil || !*f.AppRolePresent || !r.Login || !r.CreateDB || r.Superuser || !r.Expired || r.ValidUntil == nil || r.ValidUntil.Year() != 2020 || r.HasPassword == nil || !*r.HasPassword || r.Encryption != "scram-sha-256" {
		t.Errorf("%+v", f)
	}
	var owner string
	for _, d := range f.Databases {
		if d.Name == "shop" {
			owner = d.Owner
		}
	}
	if owner != "o do" || len(f.Databases) != 4 {
		t.Errorf("%+v", f.Databases)
	}

	// As a lesser role, and as nobody.
	conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `ALTER ROLE postgres NOLOGIN`); err != nil {
		t.Fatal(err)
	}
	f, err = cluster.Probe(ctx, c, cluster.Hints{}, "o do")
	if err != nil || f.Superuser || f.Login != "o do" || f.AppRolePresent == nil || !*f.AppRolePresent || f.AppRole.HasPassword != nil || f.SystemIdentifier == "" {
		t.Errorf("%+v %v", f, err)
	}
	if _, err := conn.Exec(ctx, `ALTER ROLE "o do" NOLOGIN`); err != nil {
		t.Fatal(err)
	}
	f, err = cluster.Probe(ctx, c, cluster.Hints{}, "o do")
	if !errors.Is(err, cluster.ErrNoAdmin) || f.AppRolePresent != nil {
		t.Errorf("%+v %v", f, err)
	}
}

// TestGuessedSuperusers: whatever the verifier's kind, and no ordinary role.
func TestGuessedSuperusers(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{
		`ALTER ROLE postgres PASSWORD 'odoo'`,
		`CREATE ROLE named SUPERUSER LOGIN PASSWORD 'named'`,
		`SET password_encryption = 'md5'`,
		`CREATE ROLE old SUPERUSER LOGIN PASSWORD 'admin'`,
		`CREATE ROLE good SUPERUSER LOGIN PASSWORD 'x8SkLwo2'`,
		`CREATE ROLE without SUPERUSER LOGIN`,
		`CREATE ROLE away SUPERUSER NOLOGIN PASSWORD 'away'`,
		`CREATE ROLE odoo LOGIN PASSWORD 'odoo'`,
	}})
	f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo")
	if err != nil || !slices.Equal(f.GuessedSuperusers, []string{"postgres", "named", "old"}) {
		t.Errorf("%q %v", f.GuessedSuperusers, err)
	}
}

func TestProbeCollations(t *testing.T) {
	ctx := deadline(t)
	for _, major := range []int{14, 15} {
		setup := []string{`CREATE DATABASE "Shöp" TEMPLATE template0 LC_COLLATE 'de_DE.UTF-8' LC_CTYPE 'de_DE.UTF-8'`}
		if major >= 15 {
			setup = append(setup, `UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'Shöp'`)
		}
		c := legacy.New(t, legacy.Spec{Major: major, Setup: setup})
		f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo")
		if err != nil {
			t.Fatal(err)
		}
		if major < 15 {
			if len(f.Collations) != 0 {
				t.Errorf("%+v", f.Collations)
			}
			continue
		}
		if len(f.Collations) != 1 || f.Collations[0].Database != "Shöp" || f.Collations[0].Recorded != "1.0" {
			t.Fatalf("%+v", f.Collations)
		}
		conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "Shöp")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		for _, fix := range f.Collations[0].Fix {
			if _, err := conn.Exec(ctx, fix); err != nil {
				t.Errorf("%s: %v", fix, err)
			}
		}
		if f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo"); err != nil || len(f.Collations) != 0 {
			t.Errorf("after the fix: %+v %v", f.Collations, err)
		}
	}
}

func TestProveUnusualPasswords(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	for i, password := range []string{"ﬁnanz", "a\u00a0b", "soft\u00adhyphen", "ª½", "u\u0308ber", "😀", "zero\u200bwidth", "\u0340\u2098", strings.Repeat("ä", 200)} {
		w := cluster.Wanted{Role: "odoo" + strconv.Itoa(i), Password: password}
		if _, err := cluster.EnsureAppRole(ctx, c, w, cluster.EnsureOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PSQL(w.Role, password, "postgres", "SELECT 1"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
		addr, err := c.HostAddr(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := cluster.Prove(ctx, addr, w, ""); err != nil {
			t.Errorf("%q: %v", password, err)
		}
		if err := cluster.Prove(ctx, addr, cluster.Wanted{Role: w.Role, Password: password + "!"}, ""); err == nil {
			t.Errorf("%q: a wrong password proves something", password)
		}
	}
	if bytes.Contains([]byte(c.Log()), []byte("SCRAM-SHA-256$")) {
		t.Error("a verifier is in the log")
	}
}

func TestWithoutDatabasePostgres(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "template1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `DROP DATABASE postgres`); err != nil {
		t.Fatal(err)
	}
	var dump []byte
	rep, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{BeforeChange: func(_ context.Context, d []byte) error { dump = d; return nil }})
	if err != nil || !rep.Changed || len(rep.Notes) > 0 || !strings.Contains(string(dump), "PostgreSQL database cluster dump") {
		t.Fatalf("%+v %v", rep, err)
	}
	refused := refusal(ctx, t, c, odoo.Role, odoo.Password, "")
	d, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{}, odoo.Role, odoo.Password, "", refused)
	if err != nil || d.Cause != cluster.CauseDatabaseMissing {
		t.Fatalf("%+v %v", d, err)
	}
	cure(t, d)
	if _, err := c.PSQL(odoo.Role, odoo.Password, "postgres", "SELECT 1"); err != nil {
		t.Error(err)
	}
	if _, err := cluster.Admin(ctx, c, cluster.Hints{}, "nowhere"); err == nil || errors.Is(err, cluster.ErrNoAdmin) {
		t.Errorf("a database that is not there: %v", err)
	}
}

func TestForeignSearchPath(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{
		`CREATE SCHEMA trap`, `CREATE TABLE trap.ran (by name)`, `GRANT ALL ON SCHEMA trap TO PUBLIC`, `GRANT ALL ON trap.ran TO PUBLIC`,
		`CREATE FUNCTION trap.eq(a name, b name) RETURNS bool LANGUAGE sql VOLATILE AS 'INSERT INTO trap.ran VALUES (current_user); SELECT $1::text OPERATOR(pg_catalog.=) $2::text'`,
		`CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.eq)`,
		`ALTER DATABASE postgres SET search_path = trap, pg_catalog`,
	}})
	if _, err := cluster.ShowSQL(ctx, c, odoo, cluster.Hints{}); err != nil {
		t.Error(err)
	}
	if _, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo"); err != nil {
		t.Error(err)
	}
	if _, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{}, "odoo", "wrong", "", nil); err != nil {
		t.Error(err)
	}
	conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var ran int
	var path string
	if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM trap.ran)::int, pg_catalog.current_setting('search_path')`).Scan(&ran, &path); err != nil || ran != 0 || path != "pg_catalog" {
		t.Errorf("the trap ran %d times, search_path is %s (%v)", ran, path, err)
	}
}

func TestTrustIsSaid(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, HBA: "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n# from everywhere\nhost all all all trust\nhost all all 0.0.0.0/0 trust\n"})
	rep, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{})
	if text := strings.Join(rep.Notes, "\n"); err != nil || len(rep.Notes) != 2 || !strings.Contains(text, "line 5 of pg_hba.conf") || !strings.Contains(text, "line 6 of") {
		t.Errorf("%+v %v", rep, err)
	}
}
