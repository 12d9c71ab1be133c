package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/test/inherited/legacy"
)

var odoo = cluster.Wanted{Role: "odoo", Password: "s3cret of odoo"}

// test/inherited has the states and the majors; here is what goes wrong.

func TestEnsureKeepsTheRolesFirst(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`CREATE ROLE readers`, `CREATE ROLE ann LOGIN PASSWORD 'x' IN ROLE readers`, `ALTER ROLE ann SET work_mem = '8MB'`}})
	full := errors.New("disk full")
	_, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{BeforeChange: func(context.Context, []byte) error { return full }})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Fatalf("%v", err)
	}
	f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo")
	if err != nil || f.AppRolePresent == nil || *f.AppRolePresent {
		t.Fatalf("the role was made all the same: %+v %v", f, err)
	}
	var dump []byte
	_, err = cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{BeforeChange: func(_ context.Context, d []byte) error { dump = d; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PostgreSQL database cluster dump", "CREATE ROLE ann", "GRANT readers TO ann", "SCRAM-SHA-256$"} {
		if !strings.Contains(string(dump), want) {
			t.Errorf("%q is not in the dump:\n%s", want, dump)
		}
	}
}

// Without a pg_dumpall for the server, the catalogs give the dump; psql can
// read it into another cluster, and the roles are the same there.
func TestRoleDumpWithoutProgram(t *testing.T) {
	ctx := deadline(t)
	setup := []string{`CREATE ROLE readers`, `CREATE ROLE "An""n" LOGIN PASSWORD 'x' VALID UNTIL '2031-01-01 00:00+00' CONNECTION LIMIT 4 IN ROLE readers`,
		`ALTER ROLE "An""n" SET work_mem = '8MB'`, `ALTER ROLE "An""n" IN DATABASE postgres SET application_name = E'it''s \\ x'`, `GRANT readers TO postgres WITH ADMIN OPTION`}
	for _, major := range []int{12, 18} {
		c := legacy.New(t, legacy.Spec{Major: major, Setup: setup})
		var dump []byte
		rep, err := cluster.EnsureAppRole(ctx, noPrograms{c}, odoo, cluster.EnsureOptions{BeforeChange: func(_ context.Context, d []byte) error { dump = d; return nil }})
		if err != nil || !strings.Contains(strings.Join(rep.Notes, "\n"), "pg_dumpall could not be used: no such program") {
			t.Fatalf("%+v %v", rep, err)
		}
		fresh := legacy.New(t, legacy.Spec{Major: major})
		conn, err := cluster.Admin(ctx, fresh, cluster.Hints{}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		for _, line := range strings.Split(string(dump), "\n") {
			if line == "" || strings.HasPrefix(line, "--") || line == `CREATE ROLE "postgres";` {
				continue
			}
			if _, err := conn.Exec(ctx, line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		got, err := fresh.Snapshot(ctx, conn)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{`setting An"n in postgres`, `setting An"n in `} {
			if got[key] == "" || got[key] != c.Before[key] {
				t.Errorf("%s: %q, was %q", key, got[key], c.Before[key])
			}
		}
		for _, key := range []string{`member An"n of readers`, `member postgres of readers`, `role An"n`} {
			if got[key] == "" {
				t.Errorf("%d: %s is missing in\n%s", major, key, got)
			}
		}
	}
}

type noPrograms struct{ *legacy.Cluster }

func (noPrograms) Command(context.Context, engine.Command) error {
	return errors.New("no such program")
}

// A statement that fails is logged by default, with all that is in it.
func TestFailingStatementLeaksNothing(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Conf: []string{"shared_preload_libraries = 'passwordcheck'"}})
	w := cluster.Wanted{Role: "odoo_of_acme", Password: "odoo_of_acme"}
	_, err := cluster.EnsureAppRole(ctx, c, w, cluster.EnsureOptions{})
	if err == nil {
		t.Fatal("passwordcheck lets the role's name be its password")
	}
	if strings.Contains(err.Error(), "SCRAM-SHA") || !strings.Contains(err.Error(), "make the application role") || !strings.Contains(err.Error(), "PASSWORD '***'") {
		t.Errorf("the error: %v", err)
	}
	if log := c.Log(); strings.Contains(log, "SCRAM-SHA") || !strings.Contains(log, "ERROR:") {
		t.Errorf("the log:\n%s", log)
	}
}

// A server that is full or starting up says nothing about its roles: no
// conclusion, and above all no single-user mode.
func TestBusyServerIsNotLockedOut(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Conf: []string{"max_connections = 4", "superuser_reserved_connections = 1", "max_wal_senders = 0"}})
	var held []interface{ Close(context.Context) error }
	for {
		conn, err := engine.Connect(ctx, c, engine.Login{User: "postgres", Database: "postgres"})
		if err != nil {
			break
		}
		held = append(held, conn)
	}
	pid := c.Pid()
	_, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{MaySingleUser: true})
	if err == nil || errors.Is(err, cluster.ErrNoAdmin) || c.Pid() != pid {
		t.Errorf("a full server: %v", err)
	}
	for _, h := range held {
		h.Close(ctx)
	}
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Admin(ctx, c, cluster.Hints{}, ""); err == nil || errors.Is(err, cluster.ErrNoAdmin) || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("a stopped server: %v", err)
	}
}

func TestLockedOutAsksFirst(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`ALTER ROLE postgres NOLOGIN`}})
	pid := c.Pid()
	_, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{})
	if !errors.Is(err, cluster.ErrNoAdmin) || c.Pid() != pid {
		t.Fatalf("%v", err)
	}

	// Somebody else has the data directory: nothing is stopped.
	other := holder{c, engine.Holder{Kind: "container", Name: "acme-db-1", StopCommand: "docker stop acme-db-1"}}
	_, err = cluster.EnsureAppRole(ctx, other, odoo, cluster.EnsureOptions{MaySingleUser: true})
	if err == nil || !strings.Contains(err.Error(), "docker stop acme-db-1") || c.Pid() != pid {
		t.Fatalf("%v", err)
	}

	// The caller cannot keep the roles: the server runs again, unchanged.
	full := errors.New("disk full")
	_, err = cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{MaySingleUser: true, BeforeChange: func(context.Context, []byte) error { return full }})
	if s, _ := c.Status(ctx); !errors.Is(err, full) || !s.Ready {
		t.Fatalf("%v, ready: %v", err, s.Ready)
	}
	if _, err := cluster.Admin(ctx, c, cluster.Hints{}, ""); !errors.Is(err, cluster.ErrNoAdmin) {
		t.Errorf("something was changed: %v", err)
	}

	// Single-user mode cannot work: the error says why, and the server runs.
	broken := failing{c}
	_, err = cluster.EnsureAppRole(ctx, broken, odoo, cluster.EnsureOptions{MaySingleUser: true})
	if s, _ := c.Status(ctx); err == nil || strings.Contains(err.Error(), "SCRAM-SHA") || !s.Ready {
		t.Errorf("%v, ready: %v", err, s.Ready)
	}
	if strings.Contains(c.Log(), "SCRAM-SHA") {
		t.Error("a verifier is in the log")
	}
}

type holder struct {
	*legacy.Cluster
	other engine.Holder
}

func (h holder) Holders(ctx context.Context) ([]engine.Holder, error) {
	own, err := h.Cluster.Holders(ctx)
	return append(own, h.other), err
}

// failing breaks the second script, and repeats it as a server's stderr does.
type failing struct{ *legacy.Cluster }

func (f failing) SingleUser(ctx context.Context, script string) (string, error) {
	if strings.Contains(script, "CREATE ROLE") {
		script = strings.Replace(script, "LOGIN NOSUPERUSER", "LOGIN NOSUPERUSER NONSENSE", 1)
	}
	return f.Cluster.SingleUser(ctx, script)
}

func TestStandbyIsSaid(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.ClusterDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{MaySingleUser: true}); err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("%v", err)
	}
	if f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo"); err != nil || !f.InRecovery {
		t.Errorf("%+v %v", f, err)
	}
}

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

// A collation version that the operating system does not have any more.
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

// Passwords that SASLprep changes: Odoo's client prepares them, so must ours.
func TestProveUnusualPasswords(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	for i, password := range []string{"ﬁnanz", "a\u00a0b", "soft\u00adhyphen", "ª½", "u\u0308ber", "😀", strings.Repeat("ä", 200)} {
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

// People do drop the database postgres: the role is made all the same, and the
// login that Odoo needs is said to lack it.
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

// Single-user mode reads its input in the database's encoding.
func TestLockedOutInLatin1(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "template1")
	if err == nil {
		_, err = conn.Exec(ctx, `ALTER DATABASE postgres RENAME TO utf8`)
	}
	if err == nil {
		_, err = conn.Exec(ctx, `CREATE DATABASE postgres TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`)
	}
	if err == nil {
		_, err = conn.Exec(ctx, `ALTER ROLE postgres NOLOGIN`)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	_, err = cluster.EnsureAppRole(ctx, c, cluster.Wanted{Role: "Ödoo", Password: "x"}, cluster.EnsureOptions{MaySingleUser: true})
	if s, _ := c.Status(ctx); err == nil || !strings.Contains(err.Error(), "LATIN1") || !s.Ready {
		t.Errorf("%v, ready: %v", err, s.Ready)
	}
	if rep, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{MaySingleUser: true}); err != nil || !rep.SingleUser || !rep.Changed {
		t.Errorf("%+v %v", rep, err)
	}
}

// The owner of the database postgres may not have his functions run by the
// superuser that looks at it.
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
	if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM trap.ran)::int, pg_catalog.current_setting('search_path')`).Scan(&ran, &path); err != nil || ran != 0 || path != "trap, pg_catalog" {
		t.Errorf("the trap ran %d times, search_path is %s (%v)", ran, path, err)
	}
}

// POSTGRES_HOST_AUTH_METHOD=trust, which tutorials recommend.
func TestTrustIsSaid(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, HBA: "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n# from everywhere\nhost all all all trust\nhost all all 0.0.0.0/0 trust\n"})
	rep, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{})
	if text := strings.Join(rep.Notes, "\n"); err != nil || len(rep.Notes) != 2 || !strings.Contains(text, "line 5 of pg_hba.conf") || !strings.Contains(text, "line 6 of") {
		t.Errorf("%+v %v", rep, err)
	}
}
