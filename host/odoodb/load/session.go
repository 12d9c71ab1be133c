package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// session is one connection of a load.
type session struct {
	conn     *pgconn.PgConn
	database string
	// settings is how many of the loader's have been applied here.
	settings int
}

// session gives the i-th connection with all settings that the dump has made
// so far; i is at most the number of those that exist.
func (l *Loader) session(ctx context.Context, i int) (*session, error) {
	if i == len(l.sessions) {
		c, err := l.Connect(ctx)
		if err != nil {
			return nil, err
		}
		s := &session{conn: c.PgConn(), database: l.Database}
		l.sessions = append(l.sessions, s)
		for k, v := range sessionOptions(l.Jobs) {
			if err := s.exec(ctx, "SET "+k+" = '"+v+"'"); err != nil {
				return nil, err
			}
		}
	}
	s := l.sessions[i]
	for ; s.settings < len(l.settings); s.settings++ {
		if err := s.exec(ctx, l.settings[s.settings]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// goodbye is how long a server may take to be told that we are done with it.
const goodbye = 10 * time.Second

// closeSessions waits for nobody: one whose work was cancelled is closed already.
func (l *Loader) closeSessions() {
	for _, s := range l.sessions {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		_ = s.conn.Close(ctx)
		cancel()
	}
	l.sessions = nil
}

// sessionOptions make a load faster and cost nothing: a crash of the server
// loses a database that nobody has seen yet.
func sessionOptions(jobs int) map[string]string {
	return map[string]string{
		"synchronous_commit":   "off",
		"maintenance_work_mem": strconv.Itoa(max(128, 512/max(jobs, 1))) + "MB",
		// The connections are the parallelism; workers beside them would only
		// cost, unless there are cores left.
		"max_parallel_maintenance_workers": strconv.Itoa(min(max(runtime.NumCPU()/max(jobs, 1)-1, 0), 2)),
	}
}

// exec runs statements in one round trip. Together they are one transaction, as
// far as they are not one already. Each goes by itself, as the extended protocol
// has it, in which the server takes one command at a time: what the dump's
// reader took for one statement (and judged by its first words) and the server
// would take for more is an error and not a way past that judgement.
func (s *session) exec(ctx context.Context, stmts ...string) error {
	p := s.conn.StartPipeline(ctx)
	for _, stmt := range stmts {
		p.SendQueryParams(stmt, nil, nil, nil, nil)
	}
	done, err := 0, p.Sync()
	for err == nil {
		var result any
		if result, err = p.GetResults(); err != nil || result == nil {
			break
		}
		if r, ok := result.(*pgconn.ResultReader); ok {
			if _, err = r.Close(); err == nil {
				done++
			}
		}
	}
	if cerr := p.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		return nil
	}
	return s.failed(err, min(done, len(stmts)-1), stmts[min(done, len(stmts)-1)])
}

// statementError is a statement that failed.
type statementError struct {
	// at is its place among those that were sent together.
	at   int
	text string // for a person
	err  error
}

func (e *statementError) Error() string { return e.text }
func (e *statementError) Unwrap() error { return e.err }

// checked is a COPY whose rows the server looks at. Where the client is said to
// write SQL_ASCII, COPY takes any bytes, also into a database in UTF8, in which
// nobody can read them afterwards; statements are looked at anyhow.
func (s *session) checked(stmt string) string {
	if !s.ascii() {
		return stmt
	}
	return strings.TrimRight(stmt, "; \t\r\n") + " WITH (ENCODING 'UTF8');"
}

// ascii: the dump has set the connection to SQL_ASCII.
func (s *session) ascii() bool { return s.conn.ParameterStatus("client_encoding") == "SQL_ASCII" }

// failed says which statement failed, and why.
func (s *session) failed(err error, at int, stmt string) error {
	e := &statementError{at: at, err: err}
	text := strings.Join(strings.Fields(stmt[:min(len(stmt), 4<<10)]), " ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "…"
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "22021" {
		next := sqldump.NotAsItSays
		if s.ascii() {
			next = sqldump.NameTheEncoding
		}
		e.text = fmt.Sprintf("restore into database %q: %v, in: %s; %s", s.database, err, text, next)
		return e
	}
	if errors.As(err, &pgErr) && pgErr.Detail != "" {
		e.text = fmt.Sprintf("restore into database %q: %v (%s), in: %s", s.database, err, pgErr.Detail, text)
		return e
	}
	e.text = fmt.Sprintf("restore into database %q: %v, in: %s", s.database, err, text)
	return e
}
