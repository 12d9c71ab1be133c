package odoodb

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// dialled counts the sessions that a list has, but those of the maintenance database.
type dialled struct {
	engine.Remote
	n *atomic.Int32
}

func (d dialled) Dial(ctx context.Context) (net.Conn, error) {
	d.n.Add(1)
	return d.Remote.Dial(ctx)
}

// listing lists the application role's databases, and says how many it looked into.
func listing(t *testing.T, s *server.Server, dir string, connected bool) (states map[string]string, looks int) {
	t.Helper()
	var n atomic.Int32
	one := *s
	one.PG, one.CacheDir = dialled{s.PG.(engine.Remote), &n}, dir
	one.Admin = func(ctx context.Context, database string) (*cluster.Session, error) {
		if database != server.Maintenance {
			n.Add(1)
		}
		return s.Admin(ctx, database)
	}
	// Known beforehand: to find it out is a session as well.
	startup := &cluster.Startup{}
	one.Startup = startup
	c, err := startup.Owner(ctx, s.PG, engine.Login{User: s.AppRole, Password: s.AppPassword, Database: server.Maintenance})
	if err != nil {
		t.Fatal(err)
	}
	engine.Close(c)
	if !connected {
		// A session's process ends some time after its client has gone.
		for odoodbtest.Value[bool](t, s, server.Maintenance, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname <> 'postgres' AND backend_type <> 'autovacuum worker')`) {
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := List(ctx, &one)
	if err != nil {
		t.Fatal(err)
	}
	states = map[string]string{}
	for _, d := range all {
		if d.Owner != s.AppRole {
			continue
		}
		states[d.Name] = string(d.State) + " " + d.BaseVersion
		if d.IsOdoo != (d.State == Initialised) || d.IsOdoo != (d.OdooVersion != "") || d.Bytes < 1<<20 {
			t.Errorf("%+v", d)
		}
	}
	return states, int(n.Load())
}

const modules = `CREATE TABLE ir_module_module (name varchar, state varchar, latest_version varchar); INSERT INTO ir_module_module VALUES ('base', 'installed', '17.0.1.3')`

// TestListAgain: a second list logs in to the databases alone in which something has
// changed, however it has.
func TestListAgain(t *testing.T) {
	s := odoodbtest.NewServer(t)
	dir := filepath.Join(t.TempDir(), "not yet there", "odpm")
	want := map[string]string{}
	for _, db := range []string{"odoo", "leer", "fremd"} {
		if err := create.Empty(ctx, s, db, create.Options{}); err != nil {
			t.Fatal(err)
		}
		want[db] = "empty "
	}
	odoodbtest.MustApp(t, s, "odoo", modules)
	odoodbtest.MustApp(t, s, "fremd", `CREATE TABLE x (y int)`)
	want["odoo"], want["fremd"] = "initialised 17.0.1.3", "other "
	connected := false
	step := func(what string, looks int) {
		t.Helper()
		states, n := listing(t, s, dir, connected)
		for more := 0; looks == 0 && n > 0 && more < len(want); more++ {
			// Autovacuum has been to a new database meanwhile, once to each.
			states, n = listing(t, s, dir, connected)
		}
		for db, state := range want {
			if states[db] != state {
				t.Errorf("%s: %s is %q, not %q", what, db, states[db], state)
			}
		}
		if len(states) != len(want) || n < looks || looks == 0 && n > 0 {
			t.Errorf("%s: looked into %d databases, at least %d have changed; %q", what, n, looks, states)
		}
	}
	step("the first list", 3)
	step("nothing has changed", 0)
	// As many bytes as before.
	odoodbtest.MustApp(t, s, "odoo", `UPDATE ir_module_module SET latest_version = '17.0.1.4'`)
	want["odoo"] = "initialised 17.0.1.4"
	step("an update", 1)
	odoodbtest.MustApp(t, s, "odoo", `TRUNCATE ir_module_module`)
	want["odoo"] = "other "
	step("truncated", 1)
	odoodbtest.MustApp(t, s, "leer", `CREATE TABLE x (y int)`)
	want["leer"] = "other "
	step("a table", 1)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE fremd RENAME TO umbenannt`)
	delete(want, "fremd")
	want["umbenannt"] = "other "
	step("another name", 0)
	if _, err := drop.Database(ctx, s, "umbenannt"); err != nil {
		t.Fatal(err)
	}
	if err := create.Empty(ctx, s, "umbenannt", create.Options{}); err != nil {
		t.Fatal(err)
	}
	want["umbenannt"] = "empty "
	step("made anew", 1)
	step("nothing has changed since", 0)

	// A session that is there has delivered nothing yet.
	c, err := s.App(ctx, "umbenannt")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	if _, err := c.Exec(ctx, modules); err != nil {
		t.Fatal(err)
	}
	connected = true
	for _, version := range []string{"17.0.1.5", "17.0.1.6", "17.0.1.7"} {
		if _, err := c.Exec(ctx, `UPDATE ir_module_module SET latest_version = '`+version+`'`); err != nil {
			t.Fatal(err)
		}
		want["umbenannt"] = "initialised " + version
		step("somebody is connected", 1)
	}
	connected = false
	engine.Close(c)

	// What a file says that somebody has damaged is not believed.
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %d files", err, len(entries))
	}
	path := filepath.Join(dir, entries[0].Name())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, text := range []string{"", "{", `{"schema_version": 1, "databases": {"x": 1}}`, "null"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		step("damaged: "+text, 3)
	}
	step("written anew", 0)
}

// TestListAgainByMajor: before PostgreSQL 15 its counters may be lost on their way, and
// a server that was started anew may have lost them in a crash.
func TestListAgainByMajor(t *testing.T) {
	for _, major := range []int{14, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			s, _ := odoodbtest.ServerOf(t, strconv.Itoa(major))
			dir := t.TempDir()
			if err := create.Empty(ctx, s, "shop", create.Options{}); err != nil {
				t.Fatal(err)
			}
			odoodbtest.MustApp(t, s, "shop", modules)
			var looks []int // postgres is the same role's, and is looked into while the list is connected to it
			for range 2 {
				states, n := listing(t, s, dir, false)
				if states["shop"] != "initialised 17.0.1.3" {
					t.Errorf("%q", states)
				}
				looks = append(looks, n)
			}
			want := []int{2, 1}
			if major < 15 {
				want = []int{2, 2}
			}
			if !slices.Equal(looks, want) {
				t.Errorf("looked into %v databases, want %v", looks, want)
			}
			odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER ROLE `+s.AppRole+` SET track_counts = off`)
			if _, n := listing(t, s, dir, false); n != 2 {
				t.Error("believed counters that a role has turned off")
			}
		})
	}
}

// TestListWithoutCounters: an administrator whom the server does not tell everything, as
// with a provider's, has the list all the same.
func TestListWithoutCounters(t *testing.T) {
	s := odoodbtest.NewServer(t)
	if err := create.Empty(ctx, s, "leer", create.Options{}); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	defer odoodbtest.MustAdmin(t, s, server.Maintenance, `GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC`)
	admin := s.Admin
	s.Admin = func(ctx context.Context, database string) (*cluster.Session, error) {
		c, err := admin(ctx, database)
		if err == nil {
			_, err = c.Exec(ctx, `SET ROLE `+quote.Ident(s.AppRole))
		}
		return c, err
	}
	s.CacheDir = t.TempDir()
	for range 2 {
		all, err := List(ctx, s)
		if i := slices.IndexFunc(all, func(d Database) bool { return d.Name == "leer" }); err != nil || i < 0 || all[i].State != Empty {
			t.Errorf("%v %+v", err, all)
		}
	}
}
