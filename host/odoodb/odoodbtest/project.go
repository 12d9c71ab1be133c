package odoodbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/test/inherited/legacy"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/wiretap"
)

// NewServer is a project on the shared PostgreSQL: a role of its own and
// directories of its own.
func NewServer(t *testing.T) *server.Server {
	t.Helper()
	pg := Shared(t)
	s := &server.Server{
		PG:       pg,
		Programs: pg,
		AppRole:  "odoo " + server.Token(), // a name that needs quoting
		Admin:    AdminOf(pg),
		Files:    filestore.Layout{DataDir: filepath.Join(t.TempDir(), "odoo's data")}, // as well
		StateDir: filepath.Join(t.TempDir(), "state"),
	}
	MustAdmin(t, s, server.Maintenance, `CREATE ROLE `+quote.Ident(s.AppRole)+` LOGIN CREATEDB`)
	t.Cleanup(func() {
		c, err := Root(s, server.Maintenance)
		if err != nil {
			t.Error(err)
			return
		}
		defer engine.Close(c)
		dbs, err := tables.Collect(context.Background(), c, `SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = $1`, s.AppRole)
		if err != nil {
			t.Error(err)
		}
		for _, db := range dbs {
			if err := dropDatabase(c, db); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Exec(context.Background(), `DROP ROLE `+quote.Ident(s.AppRole)); err != nil {
			t.Error(err)
		}
	})
	return s
}

// AdminOf is a Server's Admin; the password is in AdminPasswordEnv where one is needed.
func AdminOf(pg engine.Remote) func(context.Context, string) (*cluster.Session, error) {
	return AdminWith(pg, os.Getenv(AdminPasswordEnv))
}

// AdminWith is a Server's Admin with that password.
func AdminWith(pg engine.Remote, password string) func(context.Context, string) (*cluster.Session, error) {
	return func(ctx context.Context, database string) (*cluster.Session, error) {
		return cluster.Admin(context.Background(), pg, cluster.Hints{Password: password}, database)
	}
}

// RootPassword is a superuser's where pg_hba.conf asks for one.
var RootPassword = "boot-secret"

// Root is a superuser's plain session, in which tests set things up and look.
func Root(s *server.Server, database string) (*pgx.Conn, error) {
	return engine.Connect(context.Background(), s.PG, engine.Login{User: Superuser, Password: RootPassword, Database: database})
}

// MustAdmin runs statements as a superuser.
func MustAdmin(t *testing.T, s *server.Server, database string, sqls ...string) {
	t.Helper()
	c, err := Root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	for _, sql := range sqls {
		if _, err := c.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// MustApp runs statements as the application role.
func MustApp(t *testing.T, s *server.Server, database string, sqls ...string) {
	t.Helper()
	c, err := s.App(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	for _, sql := range sqls {
		if _, err := c.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// Value is what a query of one row and one column gives a superuser.
func Value[T any](t *testing.T, s *server.Server, database, sql string, args ...any) T {
	t.Helper()
	c, err := Root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	var v T
	if err := c.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// Databases are those of the application role, sorted.
func Databases(t *testing.T, s *server.Server) []string {
	t.Helper()
	c, err := Root(s, server.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	dbs, err := tables.Collect(context.Background(), c, `SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = $1 ORDER BY 1`, s.AppRole)
	if err != nil {
		t.Fatal(err)
	}
	return dbs
}

// LegacyServer is a project on a server of its own that logs every statement.
func LegacyServer(t *testing.T, major int, hba string) (*server.Server, *legacy.Cluster, *wiretap.Tap) {
	t.Helper()
	return LegacyServerIn(t, "", major, hba)
}

// LegacyServerIn has its directory in parent.
func LegacyServerIn(t *testing.T, parent string, major int, hba string) (*server.Server, *legacy.Cluster, *wiretap.Tap) {
	t.Helper()
	c := legacy.New(t, legacy.Spec{Major: major, HBA: hba, Parent: parent, Conf: []string{"shared_buffers = 32MB", "debug_print_plan = on"}, Setup: []string{
		`CREATE ROLE odoo LOGIN CREATEDB PASSWORD 'app'`, `CREATE ROLE rival LOGIN CREATEDB PASSWORD 'rival'`, `CREATE ROLE lesser`, `GRANT lesser TO odoo, rival`,
	}})
	tap := wiretap.On(c)
	startup := &cluster.Startup{}
	return &server.Server{PG: tap, Programs: tap, AppRole: "odoo", AppPassword: "app", Files: filestore.Layout{DataDir: filepath.Join(t.TempDir(), "odoo")}, StateDir: filepath.Join(t.TempDir(), "state"),
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(context.Background(), tap, cluster.Hints{Startup: startup, App: cluster.Wanted{Role: "odoo"}}, database)
		}}, c, tap
}

// DropAll drops databases and their file stores.
func DropAll(s *server.Server, names ...string) error {
	c, err := Root(s, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	for _, n := range names {
		if err := dropDatabase(c, n); err != nil {
			return err
		}
		if strings.ContainsAny(n, "/.") {
			return fmt.Errorf("bad name %q", n)
		}
		if err := os.RemoveAll(s.Files.Path(n)); err != nil {
			return err
		}
	}
	return nil
}

// AdminPasswordEnv is the administrator's password on a server that wants one.
const AdminPasswordEnv = "ODPM_TEST_ADMIN_PASSWORD"

// Server12 is a server of its own without DROP DATABASE … WITH (FORCE).
func Server12(t *testing.T) (s *server.Server, password string) {
	t.Helper()
	return ServerOf(t, "12")
}

// ServerOf is a server of its own of a major version, whose superuser is the
// application role too.
func ServerOf(t *testing.T, major string) (s *server.Server, password string) {
	t.Helper()
	bin, err := localpg.Bin(major)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := localpg.New("", bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Remove)
	if err := errors.Join(cl.Launch(), cl.WaitReady(time.Minute)); err != nil {
		t.Fatal(err)
	}
	pg := Attach(bin, cl.SocketDir(), cl.Port)
	before := RootPassword
	RootPassword = cl.Password
	t.Cleanup(func() { RootPassword = before })
	return &server.Server{PG: pg, AppRole: "postgres", AppPassword: cl.Password, Admin: AdminWith(pg, cl.Password), Files: filestore.Layout{DataDir: t.TempDir()}, StateDir: t.TempDir()}, cl.Password
}

// Allowed is datallowconn, nil where the database is gone.
func Allowed(t *testing.T, s *server.Server, database string) *bool {
	t.Helper()
	return Value[*bool](t, s, server.Maintenance, `SELECT (SELECT datallowconn FROM pg_database WHERE datname = $1)`, database)
}

// Interrupt makes a database what PostgreSQL leaves of one where its server ends in the
// middle of DROP DATABASE.
func Interrupt(t *testing.T, s *server.Server, database string) {
	t.Helper()
	MustAdmin(t, s, server.Maintenance, `UPDATE pg_database SET datconnlimit = -2, datistemplate = false WHERE datname = `+quote.Literal(database))
}

// makeDatabase is what create.Empty does, by the plainest means.
func makeDatabase(t *testing.T, s *server.Server, database string) {
	t.Helper()
	MustAdmin(t, s, server.Maintenance, `CREATE DATABASE `+quote.Ident(database)+` OWNER `+quote.Ident(s.AppRole)+` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'`)
	MustAdmin(t, s, database, `CREATE EXTENSION pg_trgm`)
}

// dropDatabase drops a database, a template or not, if it is there.
func dropDatabase(c *pgx.Conn, database string) error {
	if _, err := c.Exec(context.Background(), `UPDATE pg_database SET datistemplate = false WHERE datname = $1`, database); err != nil {
		return err
	}
	force := ` WITH (FORCE)`
	if strings.HasPrefix(c.PgConn().ParameterStatus("server_version"), "12.") { // which does not know that
		if _, err := c.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, database); err != nil {
			return err
		}
		force = ""
	}
	_, err := c.Exec(context.Background(), `DROP DATABASE IF EXISTS `+quote.Ident(database)+force)
	return err
}
