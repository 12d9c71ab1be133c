package pglogin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// What the server says of itself unasked, with every login, is not asked for:
// on one that has just started each catalog that a question touches is read
// for the first time. That is also why nothing is cast or selected FROM: the
// protocol's simple form gives text anyway.
const (
	askIdentity = `SELECT (pg_catalog.pg_control_system()).system_identifier`
	// Before 14 a standby does not say that it is one.
	askIdentity13 = askIdentity + `, pg_catalog.pg_is_in_recovery()`
	// Some managed services revoke the function; identity is then unknown.
	askNothing = `SELECT '', pg_catalog.pg_is_in_recovery()`
)

// identify asks a fresh connection of user who the server is.
func identify(ctx context.Context, conn *pgconn.PgConn, user string) (*Result, error) {
	res := &Result{User: conn.ParameterStatus("session_authorization"), InRecovery: conn.ParameterStatus("in_hot_standby") == "on"}
	if res.User == "" {
		// A pooler may keep it to itself.
		res.User = user
	}
	var err error
	if res.VersionNum, err = versionNum(conn.ParameterStatus("server_version")); err != nil {
		return nil, err
	}
	ask := askIdentity
	if res.Major() < 14 {
		ask = askIdentity13
	}
	rows, err := query(ctx, conn, ask)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "42501" || pgErr.Code == "42883") {
		rows, err = query(ctx, conn, askNothing)
	}
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, errors.New("the server did not describe itself")
	}
	res.SystemIdentifier = string(rows[0][0])
	if len(rows[0]) > 1 {
		res.InRecovery = string(rows[0][1]) == "t"
	}
	_, res.TLS = conn.Conn().(*tls.Conn)
	return res, nil
}

var versionText = regexp.MustCompile(`^([1-9][0-9]?)(?:\.([0-9]{1,4}))?`)

// versionNum makes server_version_num of server_version: 150018 of
// "15.18 (Debian 15.18-0+deb12u1)", 190000 of "19devel".
func versionNum(text string) (int, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("the server says that its version is %q, which is no PostgreSQL's", Shown(text))
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return major*10_000 + minor, nil
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
