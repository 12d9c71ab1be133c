package drop_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
)

func TestDrop(t *testing.T) {
	s := odoodbtest.NewServer(t)
	const db = `weg "damit"`
	if err := create.Empty(ctx, s, db, create.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Files.Path(db)+"/ab", 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := s.App(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(other)
	// Create's own connections end in the server a moment after we close them.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) &&
		odoodbtest.Value[int](t, s, server.Maintenance, `SELECT count(*)::int FROM pg_stat_activity WHERE datname = $1`, db) != 1; {
		time.Sleep(10 * time.Millisecond)
	}
	rep, err := drop.Database(ctx, s, db)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Owner != s.AppRole || rep.Sessions != 1 || rep.Filestore != s.Files.Path(db) {
		t.Errorf("report %+v", rep)
	}
	if _, err := os.Stat(s.Files.Path(db)); !os.IsNotExist(err) {
		t.Errorf("the file store is still there: %v", err)
	}
	if slices.Contains(odoodbtest.Databases(t, s), db) {
		t.Error("the database is still there")
	}
	if _, err := drop.Database(ctx, s, db); !server.IsMissing(err) {
		t.Errorf("a second time: %v", err)
	}
}

// TestDropRefused holds a database in every way that PostgreSQL or good sense
// knows: it must survive with its file store, and the holder must be named.
func TestDropRefused(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for _, tc := range []struct {
		name, db      string
		hold, release []string
		admin         []string
		want          string
	}{
		{"template", "h1", nil, nil, []string{`ALTER DATABASE h1 IS_TEMPLATE true`, `ALTER DATABASE h1 IS_TEMPLATE false`}, "IS_TEMPLATE false"},
		{"prepared transaction", "h2", []string{`BEGIN`, `CREATE TABLE x ()`, `PREPARE TRANSACTION 'it''s'`}, []string{`ROLLBACK PREPARED 'it''s'`}, nil, "ROLLBACK PREPARED 'it''s'"},
		{"inactive slot", "h3", []string{`SELECT pg_create_logical_replication_slot('h3_slot', 'pgoutput')`}, []string{`SELECT pg_drop_replication_slot('h3_slot')`}, nil, "inactive replication slot 'h3_slot'"},
		{"subscription", "h4", []string{`CREATE SUBSCRIPTION sub CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)`}, []string{`DROP SUBSCRIPTION sub`}, nil, "DROP SUBSCRIPTION sub"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := create.Empty(ctx, s, tc.db, create.Options{}); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(s.Files.Path(tc.db), 0o755); err != nil {
				t.Fatal(err)
			}
			odoodbtest.MustAdmin(t, s, tc.db, tc.hold...)
			if tc.admin != nil {
				odoodbtest.MustAdmin(t, s, server.Maintenance, tc.admin[0])
			}
			_, err := drop.Database(ctx, s, tc.db)
			if err == nil || len(server.Holders(err)) != 1 || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), s.AppRole) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(s.Files.Path(tc.db)); err != nil {
				t.Errorf("the file store is gone: %v", err)
			}
			odoodbtest.MustAdmin(t, s, tc.db, tc.release...)
			if tc.admin != nil {
				odoodbtest.MustAdmin(t, s, server.Maintenance, tc.admin[1])
			}
			if _, err := drop.Database(ctx, s, tc.db); err != nil {
				t.Errorf("after letting go: %v", err)
			}
		})
	}
}

// TestDropOfAnothersDatabase: Odoo cannot see it and tools that ask Odoo's list
// silently drop nothing.
func TestDropOfAnothersDatabase(t *testing.T) {
	s := odoodbtest.NewServer(t)
	db := "fremd" + server.Token()
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE `+db)
	rep, err := drop.Database(ctx, s, db)
	if err != nil || rep.Owner != "postgres" {
		t.Fatalf("got %+v, %v", rep, err)
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE `+db)
	defer odoodbtest.MustAdmin(t, s, server.Maintenance, `DROP DATABASE `+db)
	// Without an administrator's rights, the owner is named.
	noRights := &server.Server{PG: s.PG, AppRole: s.AppRole, StateDir: s.StateDir, Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
		c, err := s.App(ctx, database)
		return &cluster.Session{Conn: c}, err
	}}
	if _, err := drop.Database(ctx, noRights, db); err == nil || !strings.Contains(err.Error(), `belongs to role "postgres"`) {
		t.Errorf("got %v", err)
	}
}

// TestDropWithoutForce is PostgreSQL 12's way, with somebody in the database.
func TestDropWithoutForce(t *testing.T) {
	s, _ := odoodbtest.Server12(t)
	if err := create.Empty(ctx, s, "zwoelf", create.Options{}); err != nil {
		t.Fatal(err)
	}
	other, err := s.Admin(ctx, "zwoelf")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(other)
	if rep, err := drop.Database(ctx, s, "zwoelf"); err != nil || rep.Sessions != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if slices.Contains(odoodbtest.Databases(t, s), "zwoelf") {
		t.Error("still there")
	}
}
