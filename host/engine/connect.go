package engine

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Login is who to be on the server's own socket.
type Login struct {
	User, Database string
	// Password is used only if pg_hba asks for one.
	Password string
	// ApplicationName defaults to "odpm".
	ApplicationName string
	// Params are parameters for the startup packet, which no setting of a
	// database or role comes before. A server that does not know one of them
	// refuses the login (42704).
	Params map[string]string
	// Notice gets the server's warnings and notices; nil is for nobody.
	Notice func(*pgconn.Notice)
}

// Connect opens a pgx connection through the server's own socket, so that it
// works where nothing is published and where the host may not reach the
// socket's file. Messages come in English (lc_messages may need a superuser
// and is therefore left alone; errors are told apart by SQLSTATE).
func Connect(ctx context.Context, pg Server, l Login) (*pgx.Conn, error) {
	// An explicit, complete configuration: nothing of PG* in the person's
	// environment may decide who we are or where we go.
	cfg, err := pgx.ParseConfig("host=localhost port=5432 sslmode=disable target_session_attrs=any user=x dbname=x passfile=/dev/null")
	if err != nil {
		return nil, fmt.Errorf("pgx configuration: %w", err)
	}
	cfg.User, cfg.Database, cfg.Password = l.User, l.Database, l.Password
	cfg.RuntimeParams = map[string]string{"application_name": "odpm", "client_encoding": "UTF8"}
	maps.Copy(cfg.RuntimeParams, l.Params)
	if l.ApplicationName != "" {
		cfg.RuntimeParams["application_name"] = l.ApplicationName
	}
	if l.Notice != nil {
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { l.Notice(n) }
	}
	cfg.Fallbacks = nil
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"localhost"}, nil }
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return pg.Dial(ctx) }
	// A connection of ours is short-lived and may cross pg_terminate or a
	// pooler of somebody's; a statement cache would only cost round trips.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := connectGuarded(ctx, cfg)
	if err != nil {
		return nil, &loginError{err}
	}
	return conn, nil
}

// loginError is pgx's error without the address that was made up for it: the server is
// where Dial reaches it.
type loginError struct{ error }

func (e *loginError) Unwrap() error { return e.error }

func (e *loginError) Error() string {
	return strings.Replace(e.error.Error(), " localhost:5432 (localhost):", "", 1)
}

// Error says which program ended and how, with the last lines it wrote.
func (e *ExitError) Error() string {
	msg := fmt.Sprintf("%s exited with code %d", e.Program, e.Code)
	if e.Stderr != "" {
		msg += ": " + e.Stderr
	}
	return msg
}

// Close says goodbye, even if the work's own context has ended, and waits for
// no server that does not answer.
func Close(c interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}
