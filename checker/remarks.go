package checker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/checker/settings"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/pglogin"
)

// remark says what Odoo will meet with this login, and can run with.
func remark(ctx context.Context, s *settings.Settings, log *slog.Logger, t *connection.Target, res *pglogin.Result) {
	switch {
	case res.InRecovery:
		log.Warn("this PostgreSQL is a standby: Odoo can log in but cannot write", "addr", res.Addr)
	case res.ReadOnly:
		log.Warn("this PostgreSQL takes no writes: default_transaction_read_only is on", "addr", res.Addr)
	}
	if path := libpq.FromSecret(); path != "" && t.Password.Text == "" {
		log.Warn("the password file is in a Secret, and its group may read it (fsGroup): odpm-checker used it, but libpq, and so Odoo, ignores such a file: give Odoo the password in db_password or PGPASSWORD", "file", pglogin.Shown(path))
	}
	if len(res.Silent) > 0 && res.Unlimited {
		log.Warn("a host earlier in the list, or another address of the same name, does not answer, and libpq, and so Odoo, waits for it at each connection, for minutes or forever: set PGCONNECT_TIMEOUT", "hosts", strings.Join(res.Silent, ","), "next", "PGCONNECT_TIMEOUT=5")
	}
	if res.Stale {
		log.Warn("the connection pooler still reports whether the server was a standby when the pool was filled, and libpq, and so Odoo, believes that where target_session_attrs is set: Odoo's connections may fail",
			"next", "make the pooler reconnect (RECONNECT in PgBouncer's console), or remove PGTARGETSESSIONATTRS: a pooler leads to one server anyway")
	}
	for _, name := range res.Unknown {
		log.Warn("the connection pooler does not know a database: Odoo can create it, but cannot open it through the pooler",
			"database", pglogin.Shown(name), "next", "add it, or a line for all databases ( * = host=… port=… ), to [databases] of the pooler and reload it")
	}
	if res.Pooler || bool(s.CheckBus) {
		proveBus(ctx, log, res)
	}
	if t.Replica != nil {
		proveReplica(ctx, s, log, t, res)
	}
}

// proveBus is for where something hands out the server's sessions: Odoo's bus
// (chat, live updates) stays silent in some of its modes, and no log says so.
func proveBus(ctx context.Context, log *slog.Logger, res *pglogin.Result) {
	works, err := res.Bus(ctx)
	switch {
	case err != nil:
		log.Warn("could not find out whether Odoo's bus will work: "+err.Error(), "pooler", res.Pooler)
	case works:
		log.Info("LISTEN and NOTIFY proven", "pooler", res.Pooler)
	case res.Pooler:
		log.Warn("a notification sent over one connection did not arrive on another, so Odoo's bus (chat, live updates) will not work: there is a connection pooler with pool_mode=transaction or statement in front of PostgreSQL",
			"pooler", true, "next", "set pool_mode=session for database postgres ( [databases] of pgbouncer.ini: postgres = host=… port=… pool_mode=session ) and reload the pooler")
	default:
		log.Warn("a notification sent over one connection did not arrive on another, so Odoo's bus (chat, live updates) will not work", "pooler", false)
	}
}

// replicaTimeout bounds the proof of the second connection: Odoo does without,
// so it is not waited for.
const replicaTimeout = 3 * time.Second

// proveReplica proves the connection that Odoo 18 and later read from.
func proveReplica(ctx context.Context, s *settings.Settings, log *slog.Logger, t *connection.Target, res *pglogin.Result) {
	const without = "db_replica_host: Odoo cannot read from the replica now, and reads from the primary instead: "
	cfg, err := t.ReplicaConfig()
	var config *connection.ConfigError
	if errors.As(err, &config) {
		log.Warn(without+err.Error(), "next", config.Next)
		return
	}
	cfg.AttemptTimeout = min(time.Duration(s.AttemptTimeout), replicaTimeout)
	replica, err := pglogin.Login(ctx, cfg)
	var login *pglogin.Error
	switch {
	case errors.As(err, &login):
		log.Warn(without+err.Error(), "reason", login.Reason.String(), "next", login.Next())
	case err != nil:
		log.Warn(without + err.Error())
	case replica.SystemIdentifier != "" && res.SystemIdentifier != "" && replica.SystemIdentifier != res.SystemIdentifier:
		log.Warn("db_replica_host is not the same cluster as db_host, so Odoo would not read the data that it writes", "addr", replica.Addr,
			"next", "set db_replica_host to a standby of "+res.Addr)
	default:
		log.Info("replica proven", "addr", replica.Addr, "standby", replica.InRecovery)
	}
}
