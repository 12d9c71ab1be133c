// Package inherited_test takes over clusters that somebody else made: every
// major from 12 to 18 in every broken state that issue reports know. What it
// sees is written down in docs/inherited-clusters.md: go test -run
// TestInherited -update.
package inherited_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/test/inherited/legacy"
	"github.com/odpm/odpm/test/localpg"
)

func TestMain(m *testing.M) { legacy.Main(m) }

func TestInherited(t *testing.T) {
	matrix := &matrix{}
	t.Run("states", func(t *testing.T) {
		for _, s := range states {
			for _, major := range localpg.Majors {
				if s.from > major || s.to != 0 && s.to < major {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d", s.name, major), func(t *testing.T) {
					t.Parallel()
					takeOver(t, s, major, matrix)
				})
			}
		}
	})
	if !t.Failed() {
		matrix.check(t)
	}
}

// takeOver is one cell of the matrix.
func takeOver(t *testing.T, s state, major int, m *matrix) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	want := s.want
	if want.Role == "" {
		want = odoo
	}
	c := legacy.New(t, legacy.Spec{Major: major, Superuser: s.superuser, HBA: s.hba, Conf: s.conf, Setup: s.setup})
	settled := len(c.Log())
	before := login(c, want)

	pid := c.Pid()
	shown, err := cluster.ShowSQL(ctx, c, want, s.hints)
	if err != nil {
		t.Fatalf("show: %v", err)
	}
	if c.Pid() != pid {
		t.Error("showing the SQL restarted the server")
	}

	var dumps [][]byte
	opts := cluster.EnsureOptions{Hints: s.hints, MaySingleUser: true, BeforeChange: func(_ context.Context, d []byte) error {
		dumps = append(dumps, d)
		return nil
	}}
	rep, err := cluster.EnsureAppRole(ctx, c, want, opts)
	if err != nil {
		t.Fatalf("ensure: %v\nreport: %+v", err, rep)
	}
	if rep.SingleUser != s.singleUser {
		t.Errorf("single-user mode: %v, wanted %v", rep.SingleUser, s.singleUser)
	}
	if rep.Changed == s.noChange || rep.Changed != (len(rep.Done) > 0) {
		t.Errorf("changed: %v, done: %q", rep.Changed, rep.Done)
	}
	if wanted := 1; rep.Changed && len(dumps) != wanted || !rep.Changed && len(dumps) != 0 {
		t.Errorf("roles were dumped %d times", len(dumps))
	}
	for _, d := range dumps {
		if !strings.Contains(string(d), "CREATE ROLE") {
			t.Errorf("the dump of the roles:\n%s", d)
		}
	}
	for note, from := range s.notes {
		if has := strings.Contains(strings.Join(rep.Notes, "\n"), note); major >= from && !has && !(note == "still owns the system catalogs" && major >= 16) {
			t.Errorf("%q is not said in %q", note, rep.Notes)
		}
	}

	// The login, by psql, over TCP, with the password and not with another.
	if err := login(c, want); err != nil {
		t.Errorf("after: %v", err)
	}
	if out, err := c.PSQL(want.Role, want.Password+"!", "postgres", "SELECT 1"); err == nil {
		t.Errorf("a wrong password is let in: %s", out)
	}
	attrs, err := c.PSQL(want.Role, want.Password, "postgres", `SELECT rolsuper, rolcreatedb, rolcanlogin, session_user FROM pg_roles WHERE rolname = session_user`)
	stays := s.superAfter != 0 && major >= s.superAfter
	if wanted := fmt.Sprintf("%c|t|t|%s", "ft"[index(stays)], want.Role); err != nil || attrs != wanted {
		t.Errorf("the role is %s, wanted %s (%v)", attrs, wanted, err)
	}
	if _, err := c.PSQL(want.Role, want.Password, "postgres", `CREATE DATABASE "of odoo" TEMPLATE template0`); err != nil {
		t.Errorf("the role cannot create a database: %v", err)
	} else if _, err := c.PSQL(want.Role, want.Password, "postgres", `DROP DATABASE "of odoo"`); err != nil {
		t.Error(err)
	}

	unchanged(ctx, t, c, s)

	// A second run changes nothing, restarts nothing, and says so.
	pid = c.Pid()
	again, err := cluster.EnsureAppRole(ctx, c, want, opts)
	if err != nil || again.Changed || len(again.Done) > 0 {
		t.Errorf("the second run: %+v %v", again, err)
	}
	if c.Pid() != pid || again.SingleUser {
		t.Error("the second run stopped the server")
	}

	secrets(t, c.Log()[settled:], want, s.hints, shown, rep)
	m.add(s, major, cell{before: before, shown: shown, report: rep})
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func login(c *legacy.Cluster, w cluster.Wanted) error {
	out, err := c.PSQL(w.Role, w.Password, "postgres", "SELECT session_user")
	if err == nil && out != w.Role {
		return fmt.Errorf("logged in as %q", out)
	}
	return err
}

// unchanged: all roles, memberships, settings, databases, owners and rights
// are what they were, but for the rows of the announced roles.
func unchanged(ctx context.Context, t *testing.T, c *legacy.Cluster, s state) {
	t.Helper()
	if s.noAdmin {
		// Nobody may look until the socket is trusted.
		if err := c.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		hba := c.HBA
		if err := c.WriteHBA("local all all trust\n" + hba); err != nil {
			t.Fatal(err)
		}
		if err := c.Engine.Start(ctx); err != nil {
			t.Fatal(err)
		}
		defer func() {
			c.Stop(ctx)
			c.WriteHBA(hba)
			if err := c.Engine.Start(ctx); err != nil {
				t.Fatal(err)
			}
		}()
	}
	conn, err := cluster.Admin(ctx, c, cluster.Hints{Admins: []string{c.Superuser, "zeus_1742"}, Password: s.hints.Password}, "")
	if err != nil {
		t.Fatalf("no administrator afterwards: %v", err)
	}
	defer conn.Close(ctx)
	after, err := c.Snapshot(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if extra := legacy.Unannounced(c.Before.Diff(after), s.changed...); len(extra) > 0 {
		t.Errorf("changed without a word: %q\nbefore:\n%s\nafter:\n%s", extra, c.Before, after)
	}
}

// secrets: neither the password nor a verifier is in the server's log (which
// logs every statement) or in anything that is shown.
func secrets(t *testing.T, log string, w cluster.Wanted, h cluster.Hints, shown []string, rep cluster.Report) {
	t.Helper()
	text := strings.Join(append(append(shown, rep.Done...), rep.Notes...), "\n")
	for name, where := range map[string]string{"the server's log": log, "the output": text} {
		for _, secret := range []string{w.Password, strings.ReplaceAll(w.Password, "'", "''"), h.Password, "SCRAM-SHA-256$", "PASSWORD 'md5"} {
			if secret != "" && strings.Contains(where, secret) {
				t.Errorf("%q is in %s:\n%s", secret, name, where)
			}
		}
	}
}
