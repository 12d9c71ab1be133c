package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/shell"
)

// Why a login is refused. The names are a contract (status JSON).
const (
	CauseNone            = "none"
	CauseUnknown         = "unknown"
	CauseUnreachable     = "unreachable"
	CauseListening       = "listening"
	CauseRoleMissing     = "role_missing"
	CauseNoLogin         = "no_login"
	CauseNoPassword      = "no_password"
	CauseWrongPassword   = "wrong_password"
	CausePasswordFormat  = "password_format"
	CauseExpired         = "password_expired"
	CauseHBA             = "pg_hba"
	CauseAuthMethod      = "auth_method"
	CauseDatabaseMissing = "database_missing"
	CauseDatabaseClosed  = "database_closed"
	CauseDatabaseInvalid = "database_invalid"
	CauseNoConnect       = "no_connect_privilege"
	CauseRoleLimit       = "role_connection_limit"
	CauseDatabaseLimit   = "database_connection_limit"
	CauseTooMany         = "too_many_connections"
	CauseOtherServer     = "other_server"
)

// Diagnosis says why a login is refused.
type Diagnosis struct {
	// Cause is one of the Cause constants.
	Cause string
	// Message is a sentence or two; Next are commands or edits, in order.
	Message string
	Next    []string
}

// DiagnoseLogin asks the server over its own socket why role cannot log in to
// database with password; clientErr is what the client was told, nil if it
// was not tried. database "" is postgres. Nothing is decided by the text of a
// message: servers speak many languages.
func DiagnoseLogin(ctx context.Context, pg engine.Server, h Hints, role, password, database string, clientErr *pglogin.Error) (Diagnosis, error) {
	if database == "" {
		database = pglogin.DefaultDatabase
	}
	if clientErr != nil && beforeLogin(clientErr.Reason) {
		if d := listening(ctx, pg, h, clientErr.Reason); d != nil {
			return *d, nil
		}
		return Diagnosis{CauseUnreachable, clientErr.Error(), []string{clientErr.Next()}}, nil
	}
	if h.App.Role == "" {
		h.App = Wanted{Role: role, Password: password}
	}
	conn, super, err := anyLogin(ctx, pg, h)
	if errors.Is(err, ErrNoAdmin) {
		return Diagnosis{CauseUnknown, "the server cannot be asked why: " + err.Error(), []string{ensureCommand}}, nil
	}
	if err != nil {
		return Diagnosis{}, fmt.Errorf("ask the server why the login is refused: %w", err)
	}
	defer closeConn(conn)
	asServer, reach := pg.AsServer(ctx)
	d := &diagnostician{
		asServer: asServer, reach: reach,
		conn: conn, super: super, role: role, password: password, database: database, client: clientErr,
		psql: pg.Psql(ctx, conn.Config().User), kind: pg.Kind(),
	}
	return d.diagnose(ctx)
}

const ensureCommand = "odpm database ensure-role"

// beforeLogin: the server was not reached, or cannot take logins at all now.
func beforeLogin(r pglogin.Reason) bool {
	switch r {
	case pglogin.Settings, pglogin.DNS, pglogin.Refused, pglogin.Unreachable, pglogin.Closed, pglogin.Timeout, pglogin.NotPostgreSQL, pglogin.TLS,
		pglogin.StartingUp, pglogin.Recovering, pglogin.ShuttingDown:
		return true
	}
	return false
}

type diagnostician struct {
	conn                     *Session
	super                    bool
	role, password, database string
	client                   *pglogin.Error
	psql, kind               string
	// asServer is the engine's, where there is reach.
	asServer string
	reach    bool

	facts *RoleFacts
	found *Diagnosis
}

// diagnose asks first about what the client was told, then about everything
// else, in the order in which a login meets it.
func (d *diagnostician) diagnose(ctx context.Context) (Diagnosis, error) {
	var err error
	if d.facts, err = roleFacts(ctx, d.conn, d.role, d.super); err != nil {
		return Diagnosis{}, err
	}
	steps := []func(context.Context) error{d.hba, d.exists, d.secret, d.attributes, d.databaseState, d.limits}
	if d.client != nil {
		switch d.client.Reason {
		case pglogin.WrongPassword, pglogin.RoleNoLogin:
			steps = []func(context.Context) error{d.exists, d.secret, d.attributes}
		case pglogin.DatabaseMissing, pglogin.NoConnectPrivilege, pglogin.NotAcceptingConnections, pglogin.DatabaseInvalid:
			steps = []func(context.Context) error{d.databaseState}
		case pglogin.TooManyConnections:
			steps = []func(context.Context) error{d.limits}
		}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return Diagnosis{}, err
		}
		if d.found != nil {
			return *d.found, nil
		}
	}
	return d.nothing(), nil
}

func (d *diagnostician) is(cause string, next []string, format string, args ...any) {
	d.found = &Diagnosis{Cause: cause, Message: fmt.Sprintf(format, args...), Next: next}
}

func (d *diagnostician) exists(context.Context) error {
	if d.facts == nil {
		d.is(CauseRoleMissing, []string{ensureCommand}, "the cluster has no role %s", shown(d.role))
	}
	return nil
}

// secret is about the stored password, which only a superuser can see.
func (d *diagnostician) secret(ctx context.Context) error {
	if d.facts == nil || d.facts.HasPassword == nil {
		return nil
	}
	if !*d.facts.HasPassword {
		d.is(CauseNoPassword, []string{ensureCommand}, "role %s has no password in the cluster", shown(d.role))
		return nil
	}
	var stored string
	if err := d.conn.QueryRow(ctx, `SELECT coalesce(rolpassword, ''::pg_catalog.text) FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, d.role).Scan(&stored); err != nil {
		return err
	}
	if !Matches(stored, d.role, d.password) {
		d.is(CauseWrongPassword, []string{ensureCommand},
			"the cluster's password for role %s differs from the project's: a cluster keeps the passwords it was created with, whatever odoo.conf or .env says later", shown(d.role))
		return nil
	}
	if d.facts.Expired {
		until := ""
		if d.facts.ValidUntil != nil {
			until = " (" + d.facts.ValidUntil.UTC().Format("2006-01-02 15:04 UTC") + ")"
		}
		d.is(CauseExpired, []string{ensureCommand}, "the password of role %s is right but has expired%s", shown(d.role), until)
		return nil
	}
	if d.facts.Encryption != "md5" {
		return nil
	}
	rule, _, err := d.rule(ctx)
	if err != nil {
		return err
	}
	if rule != nil && rule.Method != nil && *rule.Method == "scram-sha-256" {
		d.is(CausePasswordFormat, []string{ensureCommand}, "the password of role %s is stored as md5, and line %d of pg_hba.conf asks for scram-sha-256", shown(d.role), rule.Line)
	}
	return nil
}

func (d *diagnostician) attributes(context.Context) error {
	switch {
	case d.facts == nil:
	case !d.facts.Login:
		d.is(CauseNoLogin, []string{ensureCommand}, "role %s exists but may not log in (NOLOGIN)", shown(d.role))
	case d.facts.Expired:
		// Seen without a superuser; secret has said it otherwise.
		d.is(CauseExpired, []string{ensureCommand}, "the password of role %s has expired", shown(d.role))
	}
	return nil
}

func (d *diagnostician) databaseState(ctx context.Context) error {
	var open, invalid bool
	err := d.conn.QueryRow(ctx, `SELECT datallowconn, `+DatabaseInvalid+` FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, d.database).Scan(&open, &invalid)
	if errors.Is(err, pgx.ErrNoRows) {
		next := "odpm -d " + shell.Quote(d.database) + " -i base"
		if d.database == pglogin.DefaultDatabase {
			// Odoo needs it to list and create databases.
			next = d.sqlIn("template1", "CREATE DATABASE "+quote.Ident(d.database)+" TEMPLATE template0")
		}
		d.is(CauseDatabaseMissing, []string{next}, "the cluster has no database %s", shown(d.database))
		return nil
	}
	if err != nil {
		return err
	}
	// Before 15.4 and its like there is no mark; the client was told that the directory is missing.
	if invalid || d.client != nil && d.client.Reason == pglogin.DatabaseInvalid {
		next := []string{"odpm -d " + shell.Quote(d.database) + " --db-drop"}
		if d.database == pglogin.DefaultDatabase {
			next = []string{d.sqlIn("template1", "DROP DATABASE "+quote.Ident(d.database)), d.sqlIn("template1", "CREATE DATABASE "+quote.Ident(d.database)+" TEMPLATE template0")}
		}
		d.is(CauseDatabaseInvalid, next, "database %s is invalid: PostgreSQL was interrupted while dropping it, so nothing in it can be read any more", shown(d.database))
		return nil
	}
	if !open {
		d.is(CauseDatabaseClosed, []string{d.sql("ALTER DATABASE " + quote.Ident(d.database) + " ALLOW_CONNECTIONS true")}, "database %s does not accept connections (ALLOW_CONNECTIONS false)", shown(d.database))
		return nil
	}
	if d.facts == nil {
		return nil
	}
	var may bool
	if err := d.conn.QueryRow(ctx, `SELECT pg_catalog.has_database_privilege($1::pg_catalog.oid, $2::pg_catalog.text, 'CONNECT'::pg_catalog.text)`, d.facts.OID, d.database).Scan(&may); err != nil {
		return err
	}
	if !may {
		d.is(CauseNoConnect, []string{d.sql("GRANT CONNECT ON DATABASE " + quote.Ident(d.database) + " TO " + quote.Ident(d.role))}, "role %s may not CONNECT to database %s", shown(d.role), shown(d.database))
	}
	return nil
}

// nothing: all is as it should be, as far as the server knows.
func (d *diagnostician) nothing() Diagnosis {
	switch {
	case d.client == nil:
		return Diagnosis{Cause: CauseNone, Message: fmt.Sprintf("the server would let role %s in", shown(d.role))}
	case d.client.Reason == pglogin.WrongPassword && !d.super:
		return Diagnosis{CauseWrongPassword, fmt.Sprintf("role %s exists, may log in and has not expired, so its password in the cluster must differ from the project's (no superuser can log in to compare them)", shown(d.role)), []string{ensureCommand}}
	case d.client.Reason == pglogin.WrongPassword:
		return Diagnosis{CauseOtherServer, fmt.Sprintf("role %s and its password are right in this project's cluster, so %s is answered by another PostgreSQL (or a pooler with passwords of its own)", shown(d.role), d.client.Addr),
			[]string{"see what listens there: ss -ltnp | grep " + portOf(d.client.Addr), "check db_host and db_port in odoo.conf"}}
	}
	return Diagnosis{CauseUnknown, "the server finds no reason for it: " + d.client.Error(), []string{d.client.Next()}}
}

func portOf(addr string) string {
	if i := strings.LastIndex(addr, ":"); i >= 0 {
		return addr[i:]
	}
	return addr
}
