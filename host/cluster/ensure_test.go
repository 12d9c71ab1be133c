package cluster_test

import (
	"context"
	"errors"
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
		got, err := fresh.Snapshot(ctx, conn.Conn)
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

// TestUnsaidPassword: a password that nobody has said to odpm does not take the place of
// the one that somebody logs in with; a role without one gets it.
func TestUnsaidPassword(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`CREATE ROLE erp LOGIN CREATEDB PASSWORD 'its own'`, `CREATE ROLE bare LOGIN CREATEDB`}})
	w := odoo
	w.Role, w.Password, w.Unsaid = "erp", "odoo", true
	rep, err := cluster.EnsureAppRole(ctx, c, w, cluster.EnsureOptions{})
	if err == nil || !strings.Contains(err.Error(), "POSTGRES_ODOO_PASS=") || len(rep.Done) > 0 {
		t.Errorf("%+v %v", rep, err)
	}
	w.Password = "its own"
	if rep, err := cluster.EnsureAppRole(ctx, c, w, cluster.EnsureOptions{}); err != nil || len(rep.Done) > 0 {
		t.Errorf("its password was changed: %+v %v", rep, err)
	}
	w.Role, w.Password = "bare", "odoo"
	if rep, err := cluster.EnsureAppRole(ctx, c, w, cluster.EnsureOptions{}); err != nil || len(rep.Done) != 1 {
		t.Errorf("%+v %v", rep, err)
	}
}
