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

// A server whose owner gives no superuser to anybody.
func TestManagedServer(t *testing.T) {
	ctx := deadline(t)
	for _, major := range []int{12, 18} {
		c := legacy.New(t, legacy.Spec{Major: major, Setup: []string{
			`CREATE ROLE customer LOGIN CREATEROLE CREATEDB`, `CREATE ROLE reporting LOGIN`, `ALTER ROLE postgres NOLOGIN`,
		}})
		pid := c.Pid()
		shown, err := cluster.ShowSQL(ctx, external{c}, odoo, cluster.Hints{Admins: []string{"customer"}})
		if text := strings.Join(shown, "\n"); err != nil || !strings.Contains(text, `CREATE ROLE "odoo"`) || strings.Contains(text, "stop") {
			t.Errorf("%q %v", shown, err)
		}
		if _, err := cluster.ShowSQL(ctx, external{c}, odoo, cluster.Hints{Admins: []string{"reporting"}}); !errors.Is(err, cluster.ErrNoAdmin) {
			t.Errorf("without CREATEROLE: %v", err)
		}
		var dumps int
		opts := cluster.EnsureOptions{Hints: cluster.Hints{Admins: []string{"customer"}}, BeforeChange: func(_ context.Context, d []byte) error {
			dumps++
			if !strings.Contains(string(d), `CREATE ROLE "reporting"`) {
				t.Errorf("the dump:\n%s", d)
			}
			return nil
		}}
		rep, err := cluster.EnsureAppRole(ctx, external{c}, odoo, opts)
		if err != nil || !rep.Changed || len(rep.Done) != 1 || dumps != 1 {
			t.Fatalf("%d: %+v %v", major, rep, err)
		}
		if _, err := c.PSQL(odoo.Role, odoo.Password, "postgres", "SELECT 1"); err != nil {
			t.Errorf("%d: %v", major, err)
		}
		if rep, err := cluster.EnsureAppRole(ctx, external{c}, odoo, opts); err != nil || rep.Changed {
			t.Errorf("%d: the second run: %+v %v", major, rep, err)
		}
		// Another password: the role that made it may change it.
		other := cluster.Wanted{Role: "odoo", Password: "changed in odoo.conf"}
		if rep, err := cluster.EnsureAppRole(ctx, external{c}, other, opts); err != nil || !rep.Changed {
			t.Errorf("%d: %+v %v", major, rep, err)
		}
		if _, err := c.PSQL(other.Role, other.Password, "postgres", "SELECT 1"); err != nil {
			t.Errorf("%d: %v", major, err)
		}
		if c.Pid() != pid {
			t.Error("the server was stopped")
		}
		if log := c.Log(); strings.Contains(log, odoo.Password) || strings.Contains(log, other.Password) {
			t.Error("a password is in the log")
		}
	}
}

// external is a server that odpm does not run: its types say no more.
type external struct{ engine.Remote }

func (external) Kind() string { return "external" }
