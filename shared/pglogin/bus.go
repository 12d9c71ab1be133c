package pglogin

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// busTimeout is how long a notification may take; a server's own takes less
// than a millisecond.
const busTimeout = 2 * time.Second

// Bus proves what Odoo's bus needs, on the server of a proven login: LISTEN on
// one connection and NOTIFY on another, to the same database. A pooler that
// lends a server's session for a transaction alone loses the LISTEN with it.
// The error is one of a connection, which says nothing of the bus.
func (r *Result) Bus(ctx context.Context) (works bool, err error) {
	h := r.from
	if h == nil {
		return false, errors.New("there is no proven login")
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.attemptTimeout())
	defer cancel()
	// Nobody else's channel, and none of Odoo's.
	channel := `"odpm_checker_` + rand.Text() + `"`
	conf := h.conn.Copy()
	conf.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { works = true }
	listener, failed := newAttempt(h).connect(ctx, conf)
	if failed != nil {
		return false, failed
	}
	defer goodbye(listener)
	notifier, failed := newAttempt(h).connect(ctx, h.conn)
	if failed != nil {
		return false, failed
	}
	defer goodbye(notifier)
	if _, err := listener.Exec(ctx, "LISTEN "+channel).ReadAll(); err != nil {
		return false, err
	}
	if _, err := notifier.Exec(ctx, "NOTIFY "+channel).ReadAll(); err != nil {
		return false, err
	}
	short, done := context.WithTimeout(ctx, busTimeout)
	defer done()
	if err := listener.WaitForNotification(short); err != nil && short.Err() == nil {
		return false, err
	}
	return works, nil
}
