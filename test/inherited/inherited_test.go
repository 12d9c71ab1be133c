// Package inherited_test takes over clusters that somebody else made: every
// major from 12 to 18 in every broken state that issue reports know. What it
// sees is written down in docs/reference/inherited-clusters.md: go test -run
// TestInherited -update.
package inherited_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/test/inherited/legacy"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
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

// takeOver is one cell of the matrix: odpm as built, psql as the judge.
func takeOver(t *testing.T, s state, major int, m *matrix) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	want := s.want
	if want.Role == "" {
		want = odoo
	}
	c := legacy.New(t, legacy.Spec{Major: major, Superuser: s.superuser, HBA: s.hba, Conf: s.conf, Setup: s.setup})
	if err := c.WriteProject(want.Role, want.Password); err != nil {
		t.Fatal(err)
	}
	if s.hints.Password != "" {
		if err := c.Remember(s.hints.Password); err != nil {
			t.Fatal(err)
		}
	}
	settled := len(c.Log())
	see := cell{before: "works"}
	if err := login(c, want); err != nil {
		see.before = "refused"
	}

	// Looking changes nothing.
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	pid := c.Pid()
	planned := odpm(t, c, 0, "plan", "--plan-show-diff")
	shown := odpm(t, c, 0, "database", "ensure-role", "--show-sql")
	see.sql = lines(shown.Stdout)
	if later, err := c.Files(); err != nil || later != files || c.Pid() != pid {
		t.Errorf("looking changed something (%v):\n%s\n---\n%s", err, files, later)
	}
	for _, l := range see.sql {
		if !strings.Contains(planned.Stdout, l) {
			t.Errorf("%q is not in the plan:\n%s", l, planned.Stdout)
		}
	}

	did := odpm(t, c, 0, "database", "ensure-role")
	if s.noChange {
		if !strings.Contains(did.Stdout, "nothing was changed") {
			t.Errorf("what was changed?\n%s\n%s", did.Stdout, did.Stderr)
		}
	} else {
		see.did = lines(did.Stdout)
	}
	if promised := statements(see.sql); !s.singleUser && strings.Join(promised, "\n") != strings.Join(see.did, "\n") {
		t.Errorf("shown was %q, done was %q", promised, see.did)
	}
	see.singleUser = c.Pid() != pid
	if see.singleUser != s.singleUser || strings.Contains(did.Stderr, "single-user mode") != s.singleUser {
		t.Errorf("stopped for single-user mode: %v, wanted %v; said:\n%s", see.singleUser, s.singleUser, did.Stderr)
	}
	see.notes = notes(did.Stderr)
	for note, from := range s.notes {
		if major >= from && !strings.Contains(strings.Join(see.notes, "\n"), note) {
			t.Errorf("%q is not said in %q", note, see.notes)
		}
	}
	saved(t, c, !s.noChange)

	judge(t, c, s, major, want)
	unchanged(ctx, t, c, s)

	// A second run changes nothing, restarts nothing, and says so.
	pid = c.Pid()
	again := odpm(t, c, 0, "database", "ensure-role")
	if !strings.Contains(again.Stdout, "nothing was changed") || c.Pid() != pid {
		t.Errorf("the second run: %s\n%s", again.Stdout, again.Stderr)
	}
	secrets(t, c.Log()[settled:], want, s.hints, planned, shown, did, again)
	m.add(s, major, see)
}

func odpm(t *testing.T, c *legacy.Cluster, code int, args ...string) legacy.Run {
	t.Helper()
	programs.Tested(t)
	r, err := c.ODPM(args...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != code {
		t.Fatalf("odpm %s ended with %d\n%s\n%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

// notes are odpm's warnings about the role.
func notes(stderr string) []string {
	var out []string
	for _, l := range lines(stderr) {
		if n, ok := strings.CutPrefix(l, "odpm: warning: "); ok {
			out = append(out, n)
		}
	}
	return out
}

// saved: the roles as they were, for the person alone.
func saved(t *testing.T, c *legacy.Cluster, wanted bool) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.Project, ".odpm", "state", "roles-*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != index(wanted) {
		t.Errorf("roles were saved %d times: %q", len(found), found)
	}
	for _, f := range found {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f)
		if err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(string(text), "CREATE ROLE") {
			t.Errorf("%s has mode %s: %v\n%s", f, info.Mode(), err, text)
		}
	}
}

// judge asks psql, over TCP and with the password.
func judge(t *testing.T, c *legacy.Cluster, s state, major int, want cluster.Wanted) {
	t.Helper()
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
	if s.name != "no-role" && s.name != "bootstrap" {
		// Slow, and rolcreatedb has said it.
		return
	}
	if _, err := c.PSQL(want.Role, want.Password, "postgres", `CREATE DATABASE "of odoo" TEMPLATE template0`); err != nil {
		t.Errorf("the role cannot create a database: %v", err)
	} else if _, err := c.PSQL(want.Role, want.Password, "postgres", `DROP DATABASE "of odoo"`); err != nil {
		t.Error(err)
	}
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
	after, err := c.Snapshot(ctx, conn.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if extra := legacy.Unannounced(c.Before.Diff(after), s.changed...); len(extra) > 0 {
		t.Errorf("changed without a word: %q\nbefore:\n%s\nafter:\n%s", extra, c.Before, after)
	}
}

// secrets: neither the password nor a verifier is in the server's log (which
// logs every statement) or in anything that is shown.
func secrets(t *testing.T, log string, w cluster.Wanted, h cluster.Hints, runs ...legacy.Run) {
	t.Helper()
	var text string
	for _, r := range runs {
		text += r.Stdout + r.Stderr
	}
	for name, where := range map[string]string{"the server's log": log, "the output": text} {
		for _, secret := range []string{w.Password, strings.ReplaceAll(w.Password, "'", "''"), h.Password, "SCRAM-SHA-256$", "PASSWORD 'md5"} {
			if secret != "" && strings.Contains(where, secret) {
				t.Errorf("%q is in %s:\n%s", secret, name, where)
			}
		}
	}
}
