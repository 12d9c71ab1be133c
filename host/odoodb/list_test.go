package odoodb

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/quote"
)

func TestList(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, `Kunde "A" ü`)
	for _, db := range []string{"leer", "fremd", "zu", "mitten"} {
		if err := create.Empty(ctx, s, db, create.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	odoodbtest.MustApp(t, s, "fremd", `CREATE TABLE x (y int)`)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE zu ALLOW_CONNECTIONS false`, `ALTER DATABASE mitten ALLOW_CONNECTIONS false`,
		`CREATE DATABASE odpm_0123456789abcdef IS_TEMPLATE true OWNER `+quote.Ident(s.AppRole), `CREATE DATABASE odpm_00000000000000aa IS_TEMPLATE true OWNER `+quote.Ident(s.AppRole))
	// A restore that was killed in the middle of its swap.
	j := swap.NewJournal(s.StateDir, swap.Journal{Target: "mitten", New: "odpm_00000000000000aa", Old: "odpm_00000000000000aa_old", Filestore: filepath.Join(s.Files.DataDir, "filestore")})
	if err := j.To(swap.StepSwapping); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(s.Files.DataDir, "filestore", "odpm_00000000000000ff")
	if err := os.MkdirAll(stray, 0o755); err != nil {
		t.Fatal(err)
	}
	all, err := List(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Database{}
	for _, d := range all {
		if d.Owner == s.AppRole {
			got[d.Name] = d
		}
	}
	for name, state := range map[string]DatabaseState{`Kunde "A" ü`: Initialised, "leer": Empty, "fremd": Other, "zu": Closed, "mitten": Closed, "odpm_0123456789abcdef": LeftOverState, "odpm_00000000000000aa": LeftOverState} {
		if d := got[name]; d.State != state || d.Bytes < 1<<20 || d.Encoding != "UTF8" || d.AllowConnections != (state != Closed) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for name, reason := range map[string]string{"zu": "", "mitten": "the next run of odpm opens it again", "odpm_0123456789abcdef": "odpm -d odpm_0123456789abcdef --db-drop", "odpm_00000000000000aa": "belongs to a restore of mitten"} {
		if d := got[name]; (reason == "") != (d.Reason == "") || !strings.Contains(d.Reason, reason) {
			t.Errorf("%s: %q", name, d.Reason)
		}
	}
	if err := journal.Remove(j.Path); err != nil {
		t.Fatal(err)
	}
	if err := odoodbtest.DropAll(s, "odpm_00000000000000aa"); err != nil {
		t.Fatal(err)
	}
	d := got[`Kunde "A" ü`]
	if !d.IsOdoo || d.OdooVersion != "18.0" || d.BaseVersion != "18.0.1.3" || d.FilestoreState != FilestorePresent || d.Files != 9 || d.FilestoreBytes != 78598 {
		t.Errorf("%+v", d)
	}
	if d := got["leer"]; d.IsOdoo || d.FilestoreState != FilestoreMissing {
		t.Errorf("%+v", d)
	}
	left, err := LeftOvers(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range left {
		if l.Kind == "filestore" && l.Remedy != "sudo rm -rf '"+strings.ReplaceAll(l.Path, "'", `'\''`)+"'" {
			t.Errorf("a shell would take another path than %s: %s", l.Path, l.Remedy)
		}
		names = append(names, l.Kind+" "+l.Name)
		if l.Journal != "" || !strings.Contains(l.Remedy, l.Name) {
			t.Errorf("%+v", l)
		}
	}
	if strings.Join(names, ", ") != "database odpm_0123456789abcdef, filestore odpm_00000000000000ff" {
		t.Errorf("left over: %q", names)
	}
	if _, err := drop.Database(ctx, s, "odpm_0123456789abcdef"); err != nil {
		t.Errorf("what the list says to type: %v", err)
	}
}

// meeting lets logins in once three of them wait: as many as a list has at a time.
type meeting struct {
	engine.Remote
	mu    sync.Mutex
	here  int
	begun chan struct{}
}

func (m *meeting) Dial(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	if m.here++; m.here == 3 {
		close(m.begun)
	}
	m.mu.Unlock()
	select {
	case <-m.begun:
		return m.Remote.Dial(ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func TestListLooksIntoSeveralAtATime(t *testing.T) {
	s := odoodbtest.NewServer(t)
	names := []string{"eins", "zwei", "drei", "vier"}
	for i, db := range names {
		names[i] = db + server.Token()
		if err := create.Empty(ctx, s, names[i], create.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	s.PG = &meeting{Remote: odoodbtest.Shared(t), begun: make(chan struct{})}
	all, err := List(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	ours := slices.DeleteFunc(all, func(d Database) bool { return d.Owner != s.AppRole })
	slices.Sort(names)
	for i, d := range ours {
		if d.Name != names[i] || d.State != Empty {
			t.Errorf("%d: %+v", i, d)
		}
	}
	if len(ours) != len(names) {
		t.Errorf("%d databases", len(ours))
	}
}

// Of what is not the application role's table with Odoo's columns, the list says
// the same as before it asked with one statement.
func TestListOfOddModuleTables(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for name, tt := range map[string]struct {
		sql  string
		want DatabaseState
	}{
		"view":        {`CREATE VIEW ir_module_module AS SELECT 'base'::text AS name, 'installed'::text AS state, '18.0.1.3'::text AS latest_version`, Empty},
		"columns":     {`CREATE TABLE ir_module_module (name text)`, Other},
		"partitioned": {`CREATE TABLE ir_module_module (name text, state text, latest_version text) PARTITION BY LIST (name); CREATE TABLE x PARTITION OF ir_module_module DEFAULT; INSERT INTO ir_module_module VALUES ('base', 'installed', '17.0.1.3')`, Initialised},
		"other":       {`CREATE TABLE ir_module_module (name text, state text, latest_version text); INSERT INTO ir_module_module VALUES ('base', 'uninstalled', '17.0.1.3')`, Other},
	} {
		db := name + server.Token()
		if err := create.Empty(ctx, s, db, create.Options{}); err != nil {
			t.Fatal(err)
		}
		odoodbtest.MustApp(t, s, db, tt.sql)
		all, err := List(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(d Database) bool { return d.Name == db })
		if i < 0 || all[i].State != tt.want {
			t.Errorf("%s: %+v", name, all[max(i, 0)])
		}
	}
}

// Names asks with one session, whatever the databases are.
// shut is a server whose own socket nobody may use.
type shut struct{ engine.Remote }

func (shut) Dial(context.Context) (net.Conn, error) { return nil, errors.New("the socket is shut") }

// TestListOverTCP: where each connection to the socket is a process of its own, the
// application role's databases are looked into over TCP; where that does not work,
// over the socket all the same.
func TestListOverTCP(t *testing.T) {
	s := odoodbtest.NewServer(t)
	name := "direkt" + server.Token()
	if err := create.Empty(ctx, s, name, create.Options{}); err != nil {
		t.Fatal(err)
	}
	for want, ways := range map[string][2]engine.Server{
		"TCP":    {shut{s.PG.(engine.Remote)}, s.PG},
		"socket": {s.PG, shut{s.PG.(engine.Remote)}},
	} {
		one := *s
		one.PG, one.Direct = ways[0], ways[1]
		admins := 0
		one.Admin = func(ctx context.Context, database string) (*cluster.Session, error) {
			admins++
			if database == name {
				return nil, errors.New("nobody has to be an administrator for this one")
			}
			return s.Admin(ctx, database)
		}
		all, err := List(ctx, &one)
		if i := slices.IndexFunc(all, func(d Database) bool { return d.Name == name }); err != nil || i < 0 || all[i].State != Empty {
			t.Errorf("%s: %v %+v", want, err, all)
		}
		admins = 0
		names, err := Names(ctx, &one)
		if err != nil || !slices.Contains(names, name) || slices.Contains(names, server.Maintenance) {
			t.Errorf("%s: %v %q", want, err, names)
		}
		if (admins == 0) != (want == "TCP") {
			t.Errorf("%s: %d sessions of an administrator", want, admins)
		}
	}
}

func TestNames(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for _, db := range []string{"eins", "zu", "vorlage"} {
		if err := create.Empty(ctx, s, db+s.AppRole, create.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE `+quote.Ident("zu"+s.AppRole)+` ALLOW_CONNECTIONS false`, `ALTER DATABASE `+quote.Ident("vorlage"+s.AppRole)+` IS_TEMPLATE true`)
	defer odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE `+quote.Ident("vorlage"+s.AppRole)+` IS_TEMPLATE false`)
	sessions := 0
	admin := s.Admin
	s.Admin = func(ctx context.Context, database string) (*cluster.Session, error) {
		sessions++
		return admin(ctx, database)
	}
	blind := *s
	blind.PG = nil // nobody logs in as the application role
	names, err := Names(ctx, &blind)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names, "eins"+s.AppRole) || slices.Contains(names, "zu"+s.AppRole) || slices.Contains(names, "vorlage"+s.AppRole) || slices.Contains(names, server.Maintenance) || slices.Contains(names, "template1") {
		t.Errorf("%q", names)
	}
	if sessions != 1 {
		t.Errorf("%d sessions", sessions)
	}
}
