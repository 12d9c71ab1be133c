package odoodb

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/cluster"
)

func TestCreate(t *testing.T) {
	s := newServer(t)
	const db = `neu "ü" $1`
	if err := s.Create(ctx, db, CreateOptions{Unaccent: true}); err != nil {
		t.Fatal(err)
	}
	got := value[string](t, s, db, `SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datistemplate, pg_get_userbyid(datdba) = $1) FROM pg_database WHERE datname = current_database()`, s.AppRole)
	if got != "UTF8 C f t" {
		t.Errorf("created as %s", got)
	}
	// What Odoo does with it, as a role that is no superuser.
	mustApp(t, s, db, `CREATE TABLE t (n text)`, `CREATE INDEX ON t USING gin (unaccent(n) gin_trgm_ops)`)
	if err := s.Create(ctx, db, CreateOptions{}); !IsExists(err) {
		t.Errorf("a second time: %v", err)
	}
	for _, bad := range []string{"", "postgres", "template1", strings.Repeat("ä", 32), "a/b", "..", "a\nb", "odpm_0123456789abcdef"} {
		if err := s.Create(ctx, bad, CreateOptions{}); err == nil {
			t.Errorf("name %q was accepted", bad)
		}
	}
	for _, theirs := range []string{"postgres", "template0", "template1"} {
		_, dropped := s.Drop(ctx, theirs)
		for _, err := range []error{s.Create(ctx, theirs, CreateOptions{}), dropped} {
			if err == nil || !strings.Contains(err.Error(), "belongs to PostgreSQL itself") {
				t.Errorf("%s: %v", theirs, err)
			}
		}
	}
}

func TestDrop(t *testing.T) {
	s := newServer(t)
	const db = `weg "damit"`
	if err := s.Create(ctx, db, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.filestore(db)+"/ab", 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := s.app(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(other)
	// Create's own connections end in the server a moment after we close them.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) &&
		value[int](t, s, maintenance, `SELECT count(*)::int FROM pg_stat_activity WHERE datname = $1`, db) != 1; {
		time.Sleep(10 * time.Millisecond)
	}
	rep, err := s.Drop(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Owner != s.AppRole || rep.Sessions != 1 || rep.Filestore != s.filestore(db) {
		t.Errorf("report %+v", rep)
	}
	if _, err := os.Stat(s.filestore(db)); !os.IsNotExist(err) {
		t.Errorf("the file store is still there: %v", err)
	}
	if slices.Contains(databases(t, s), db) {
		t.Error("the database is still there")
	}
	if _, err := s.Drop(ctx, db); !IsMissing(err) {
		t.Errorf("a second time: %v", err)
	}
}

// TestDropRefused holds a database in every way that PostgreSQL or good sense
// knows: it must survive with its file store, and the holder must be named.
func TestDropRefused(t *testing.T) {
	s := newServer(t)
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
			if err := s.Create(ctx, tc.db, CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(s.filestore(tc.db), 0o755); err != nil {
				t.Fatal(err)
			}
			mustAdmin(t, s, tc.db, tc.hold...)
			if tc.admin != nil {
				mustAdmin(t, s, maintenance, tc.admin[0])
			}
			_, err := s.Drop(ctx, tc.db)
			if err == nil || len(Holders(err)) != 1 || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), s.AppRole) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(s.filestore(tc.db)); err != nil {
				t.Errorf("the file store is gone: %v", err)
			}
			mustAdmin(t, s, tc.db, tc.release...)
			if tc.admin != nil {
				mustAdmin(t, s, maintenance, tc.admin[1])
			}
			if _, err := s.Drop(ctx, tc.db); err != nil {
				t.Errorf("after letting go: %v", err)
			}
		})
	}
}

// TestDropOfAnothersDatabase: Odoo cannot see it and tools that ask Odoo's list
// silently drop nothing.
func TestDropOfAnothersDatabase(t *testing.T) {
	s := newServer(t)
	db := "fremd" + token()
	mustAdmin(t, s, maintenance, `CREATE DATABASE `+db)
	rep, err := s.Drop(ctx, db)
	if err != nil || rep.Owner != "postgres" {
		t.Fatalf("got %+v, %v", rep, err)
	}
	mustAdmin(t, s, maintenance, `CREATE DATABASE `+db)
	defer mustAdmin(t, s, maintenance, `DROP DATABASE `+db)
	// Without an administrator's rights, the owner is named.
	noRights := &Server{PG: s.PG, AppRole: s.AppRole, StateDir: s.StateDir, Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
		c, err := s.app(ctx, database)
		return &cluster.Session{Conn: c}, err
	}}
	if _, err := noRights.Drop(ctx, db); err == nil || !strings.Contains(err.Error(), `belongs to role "postgres"`) {
		t.Errorf("got %v", err)
	}
}

// TestDropWithoutForce is PostgreSQL 12's way, on whatever server there is.
func TestDropWithoutForce(t *testing.T) {
	s := newServer(t)
	if err := s.Create(ctx, "zwoelf", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	other, err := s.app(ctx, "zwoelf")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(other)
	c, err := root(s, maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	info, err := lookup(ctx, c, "zwoelf")
	if err != nil {
		t.Fatal(err)
	}
	if err := dropWithoutForce(ctx, &cluster.Session{Conn: c}, "zwoelf", info); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(databases(t, s), "zwoelf") {
		t.Error("still there")
	}
}
