package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/quote"
)

// Facts is what a running cluster says about itself.
type Facts struct {
	// VersionNum is server_version_num, 150018 for 15.18; Major is 15.
	VersionNum, Major int
	// SystemIdentifier is pg_control's, decimal; "" where it may not be asked.
	SystemIdentifier string
	// Login is the role that asked, Superuser whether it is one. Without a
	// superuser passwords and some paths stay unknown.
	Login     string
	Superuser bool
	// AppRolePresent is nil where nobody could look.
	AppRolePresent *bool
	AppRole        RoleFacts
	// Superusers may log in, as far as their attributes say.
	Superusers []string
	// GuessedSuperusers are those among them whose password everybody knows; nil
	// where nobody could look.
	GuessedSuperusers []string
	InRecovery        bool
	// DataDirectory is the server's own view of it, "" where it may not be asked.
	DataDirectory string
	Databases     []DatabaseFacts
	Collations    []CollationProblem
}

// RoleFacts are a role's attributes.
type RoleFacts struct {
	Name                                   string
	OID                                    uint32
	Superuser, Login, CreateDB, CreateRole bool
	Replication, BypassRLS                 bool
	ConnectionLimit                        int
	// ValidUntil is nil for no limit.
	ValidUntil *time.Time
	// Expired is by the server's clock.
	Expired bool
	// Encryption is the stored password's kind ("scram-sha-256", "md5"), ""
	// where there is none or nobody could look; HasPassword tells the two apart.
	HasPassword *bool
	Encryption  string
}

// DatabaseFacts is one database.
type DatabaseFacts struct {
	Name, Owner, Encoding, Collate, CType string
	AllowConnections, Template            bool
	ConnectionLimit                       int
}

// CollationProblem is a database whose recorded collation version is not the
// operating system's: its indexes on text may be wrong.
type CollationProblem struct {
	Database, Recorded, Actual string
	// Fix are the statements, to be run in the database, in order.
	Fix []string
}

// Probe asks a running cluster. It changes nothing, and manages with a lesser
// role where no superuser can log in; where nobody can, the error is a *NoAdmin.
func Probe(ctx context.Context, pg engine.Server, h Hints, appRole string) (Facts, error) {
	if h.App.Role == "" {
		h.App.Role = appRole
	}
	conn, super, err := anyLogin(ctx, pg, h)
	if err != nil {
		return Facts{}, err
	}
	defer closeConn(conn)
	f := Facts{Login: conn.Config().User, Superuser: super}
	err = conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.pg_is_in_recovery()`).Scan(&f.VersionNum, &f.InRecovery)
	if err != nil {
		return f, err
	}
	f.Major = f.VersionNum / 10000
	if err := optional(conn.QueryRow(ctx, `SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()`).Scan(&f.SystemIdentifier)); err != nil {
		return f, err
	}
	if err := optional(conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('data_directory')`).Scan(&f.DataDirectory)); err != nil {
		return f, err
	}
	if f.Superusers, err = superusers(ctx, conn); err != nil {
		return f, err
	}
	if super {
		if f.GuessedSuperusers, err = guessedSuperusers(ctx, conn); err != nil {
			return f, err
		}
	}
	role, err := roleFacts(ctx, conn, appRole, super)
	if err != nil {
		return f, err
	}
	present := role != nil
	f.AppRolePresent = &present
	if present {
		f.AppRole = *role
	}
	if f.Databases, err = databases(ctx, conn); err != nil {
		return f, err
	}
	f.Collations, err = collations(ctx, conn, f.Major)
	return f, err
}

// optional: a lesser role may not ask everything.
func optional(err error) error {
	if sqlState(err) == "42501" {
		return nil
	}
	return err
}

// roleFacts gives nil for a role that does not exist.
func roleFacts(ctx context.Context, conn *Session, name string, super bool) (*RoleFacts, error) {
	r := &RoleFacts{}
	err := conn.QueryRow(ctx, `SELECT rolname::pg_catalog.text, oid, rolsuper, rolcanlogin, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit,
		CASE WHEN pg_catalog.isfinite(rolvaliduntil) THEN rolvaliduntil END, coalesce(rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now(), false)
		FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, name).
		Scan(&r.Name, &r.OID, &r.Superuser, &r.Login, &r.CreateDB, &r.CreateRole, &r.Replication, &r.BypassRLS, &r.ConnectionLimit, &r.ValidUntil, &r.Expired)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil || !super {
		return r, err
	}
	var stored *string
	if err := conn.QueryRow(ctx, `SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, name).Scan(&stored); err != nil {
		return r, err
	}
	has := stored != nil
	r.HasPassword = &has
	if has {
		r.Encryption = encryptionOf(*stored)
	}
	return r, nil
}

// DatabaseInvalid is a condition on pg_database: the mark that PostgreSQL sets (since
// 15.4, 14.9, 13.12 and 12.16) before it removes a database's files. A crash in the
// middle leaves it, and such a database takes no login and no ALTER: it can only be
// dropped.
const DatabaseInvalid = `datconnlimit OPERATOR(pg_catalog.=) '-2'::int`

func databases(ctx context.Context, conn *Session) ([]DatabaseFacts, error) {
	rows, err := conn.Query(ctx, `SELECT datname::pg_catalog.text, pg_catalog.pg_get_userbyid(datdba)::pg_catalog.text, pg_catalog.pg_encoding_to_char(encoding)::pg_catalog.text,
		coalesce(datcollate::pg_catalog.text, ''::pg_catalog.text), coalesce(datctype::pg_catalog.text, ''::pg_catalog.text), datallowconn, datistemplate, datconnlimit
		FROM pg_catalog.pg_database ORDER BY datname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[DatabaseFacts])
}

// collations: 15 began to record the version per database; C and POSIX have none.
func collations(ctx context.Context, conn *Session, major int) ([]CollationProblem, error) {
	if major < 15 {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `SELECT datname::pg_catalog.text, datcollversion, pg_catalog.pg_database_collation_actual_version(oid)
		FROM pg_catalog.pg_database
		WHERE NOT `+DatabaseInvalid+` AND datcollversion OPERATOR(pg_catalog.<>) pg_catalog.pg_database_collation_actual_version(oid) ORDER BY datname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (CollationProblem, error) {
		var p CollationProblem
		err := row.Scan(&p.Database, &p.Recorded, &p.Actual)
		p.Fix = []string{"REINDEX DATABASE " + quote.Ident(p.Database) + ";", "ALTER DATABASE " + quote.Ident(p.Database) + " REFRESH COLLATION VERSION;"}
		return p, err
	})
}

// visibleRoles is readRoles as a lesser role may: without passwords, which
// then count as ones to be set.
func visibleRoles(ctx context.Context, pg engine.Server, h Hints) (*roles, error) {
	conn, _, err := anyLogin(ctx, pg, h)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	return readVisible(ctx, conn)
}

func readVisible(ctx context.Context, conn *Session) (*roles, error) {
	r := &roles{Lesser: true}
	if err := conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.pg_is_in_recovery()`).Scan(&r.VersionNum, &r.InRecovery); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT oid, rolname::pg_catalog.text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
		coalesce(CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<>) 'infinity'::pg_catalog.timestamptz THEN rolvaliduntil::pg_catalog.text END, ''::pg_catalog.text),
		coalesce(rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now(), false), ''::pg_catalog.text
		FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text ORDER BY oid`)
	if err != nil {
		return nil, err
	}
	r.Roles, err = pgx.CollectRows(rows, pgx.RowToStructByPos[role])
	return r, err
}
