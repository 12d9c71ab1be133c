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

// The version, which the server says unasked with every login, is not asked for:
// on one that has just started each catalog that a question touches is read
// for the first time. That is also why nothing is cast or selected FROM: the
// protocol's simple form gives text anyway. Whether it is a standby is asked,
// although a server says it since 14: a pooler repeats what was so once. SHOW
// touches no catalog.
const (
	askState    = `, pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(); SHOW transaction_read_only`
	askIdentity = `SELECT (pg_catalog.pg_control_system()).system_identifier` + askState
	// Some managed services revoke the function; identity is then unknown.
	askNothing = `SELECT ''` + askState
)

// identify asks a fresh connection of user who the server is.
func identify(ctx context.Context, conn *pgconn.PgConn, user string) (*Result, error) {
	res := &Result{User: conn.ParameterStatus("session_authorization")}
	if res.User == "" {
		// A pooler may keep it to itself.
		res.User = user
	}
	var err error
	if res.VersionNum, err = versionNum(conn.ParameterStatus("server_version")); err != nil {
		return nil, err
	}
	row, readOnly, err := ask(ctx, conn, askIdentity)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "42501" || pgErr.Code == "42883") {
		row, readOnly, err = ask(ctx, conn, askNothing)
	}
	if err != nil {
		return nil, err
	}
	res.SystemIdentifier = string(row[0])
	res.InRecovery, res.ReadOnly = string(row[1]) == "t", readOnly == "on"
	if said := conn.ParameterStatus("in_hot_standby"); said != "" {
		res.Stale = (said == "on") != res.InRecovery
	}
	// A pooler's key for cancelling is its own, and no server's process.
	pid, err := strconv.ParseUint(string(row[2]), 10, 32)
	res.Pooler = err == nil && uint32(pid) != conn.PID()
	_, res.TLS = conn.Conn().(*tls.Conn)
	return res, nil
}

var versionText = regexp.MustCompile(`^([1-9][0-9]?)(?:\.([0-9]{1,4}))?`)

// versionNum makes server_version_num of server_version: 150018 of
// "15.18 (Debian 15.18-0+deb12u1)", 190000 of "19devel".
func versionNum(text string) (int, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("the server says that its version is %q, which is not a version of PostgreSQL", Shown(text))
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return major*10_000 + minor, nil
}

// ask gives the row of the first answer, and the second one.
func ask(ctx context.Context, conn *pgconn.PgConn, sql string) (row [][]byte, second string, err error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, "", err
	}
	if len(results) != 2 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 3 || len(results[1].Rows) != 1 {
		return nil, "", errors.New("the server did not describe itself")
	}
	return results[0].Rows[0], string(results[1].Rows[0][0]), nil
}
