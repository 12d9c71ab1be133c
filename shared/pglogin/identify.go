package pglogin

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// One round trip: everything is asked in one statement. The types are text, so
// that no type map is needed.
const (
	askServer  = `SELECT current_setting('server_version_num'), current_user, pg_is_in_recovery()::text, `
	askRole    = `, r.rolsuper::text, r.rolcreatedb::text, r.rolcreaterole::text, r.oid::text`
	fromRole   = ` FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`
	identifier = `(SELECT system_identifier::text FROM pg_catalog.pg_control_system())`
	unknown    = `''`
)

// identify asks a fresh connection who the server is and, where wanted, who
// the role.
func identify(ctx context.Context, conn *pgconn.PgConn, withRole bool) (*Result, error) {
	columns, rest := 4, ""
	if withRole {
		columns, rest = 8, askRole+fromRole
	}
	rows, err := query(ctx, conn, askServer+identifier+rest)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "42501" || pgErr.Code == "42883") {
		// Some managed services revoke the function; identity is then unknown.
		rows, err = query(ctx, conn, askServer+unknown+rest)
	}
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != columns {
		return nil, errors.New("the server did not describe itself")
	}
	f := make([]string, columns)
	for i, v := range rows[0] {
		f[i] = string(v)
	}
	version, err := strconv.Atoi(f[0])
	if err != nil {
		return nil, errors.New("server_version_num is not a number")
	}
	res := &Result{VersionNum: version, User: f[1], InRecovery: f[2] == "true", SystemIdentifier: f[3]}
	if withRole {
		oid, _ := strconv.ParseUint(f[7], 10, 32)
		res.Role = Role{Superuser: f[4] == "true", CreateDB: f[5] == "true", CreateRole: f[6] == "true", OID: uint32(oid)}
	}
	_, res.TLS = conn.Conn().(*tls.Conn)
	return res, nil
}

func query(ctx context.Context, conn *pgconn.PgConn, sql string) ([][][]byte, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, errors.New("the server did not answer the question")
	}
	return results[0].Rows, nil
}
