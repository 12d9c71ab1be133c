// Package load runs a plain dump in an empty database.
//
// It speaks PostgreSQL's protocol itself and starts no psql: what a dump says
// to psql (backslash commands, variables) then means nothing to anybody, the
// version of the server's psql does not matter, and the rows of a large table
// can go over several connections.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// Loader is one load.
type Loader struct {
	// Database is the database's name, for messages.
	Database string
	// Connect opens one more connection to it, as the role that everything in
	// the dump runs as.
	Connect func(context.Context) (*pgx.Conn, error)
	Policy  sqldump.Policy
	// SearchPath is the database's own, as SET search_path has it, for what does not
	// work under the empty one of a dump; "" is public.
	SearchPath string
	// AllowBroken leaves out keys and other constraints that the rows break.
	AllowBroken bool
	// Jobs is how many connections load rows and build indexes side by side; 0
	// is as many as are worth it.
	Jobs int
	// Read gets now and then how many bytes of the dump are read, Built how
	// many indexes and keys of those that are known of so far are made. Both may
	// be nil; neither may take long.
	Read, Built func(done, total int64, finished bool)

	sessions []*session
	// settings are the dump's own, for every session; batch are statements that
	// are not sent yet.
	settings     []string
	settingBytes int
	batch        []string
	batchBytes   int
	later        []string
	laterBytes   int
	trailer      bool
	// made: something is in the database that a DROP could be about.
	made bool
	// refreshes are REFRESH statements that did not work where they stand.
	refreshes []string

	mu   sync.Mutex // of left
	left []Omission
	said map[string]bool
	// failures are the statements that the server did not take.
	failures atomic.Int64
}

// Later are the statements that the policy wants to be run as the owner.
func (l *Loader) Later() []string { return l.later }

// Load reads the dump, of so many bytes (0 when unknown), once. Tables are made
// on one connection and rows are loaded as they come; from the first index or
// key on, statements run over several connections, since their order is free.
// A dump that is refused for what is in it gives an error of sqldump.IsRefused,
// one without its end sqldump.ErrCutOff. What had been loaded until an error
// stays.
func (l *Loader) Load(ctx context.Context, dump io.Reader, size int64) error {
	defer l.closeSessions()
	if l.Jobs < 1 {
		l.Jobs = defaultJobs()
	}
	sc := sqldump.New(dump)
	l.said = map[string]bool{}
	stop := l.tick(sc, size)
	first, err := l.untilIndexes(ctx, sc)
	stop()
	if err != nil {
		return err
	}
	if first != "" {
		if err := l.afterData(ctx, sc, first); err != nil {
			return err
		}
	}
	if !l.trailer {
		return sqldump.ErrCutOff
	}
	return l.refreshAgain(ctx)
}

// tick reports how far the dump is read.
func (l *Loader) tick(sc *sqldump.Scanner, size int64) (stop func()) {
	if l.Read == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				l.Read(sc.Read(), size, false)
			case <-done:
				l.Read(sc.Read(), size, true)
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// untilIndexes runs the dump up to the first statement that can run beside
// others, which it returns; "" at the end of the dump.
func (l *Loader) untilIndexes(ctx context.Context, sc *sqldump.Scanner) (first string, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return "", l.flush(ctx)
		}
		if err != nil {
			return "", err
		}
		switch it.Kind {
		case sqldump.Comment:
			l.comment(it.Text)
		case sqldump.Copy:
			if err := l.flush(ctx); err != nil {
				return "", err
			}
			if err := l.copyRows(ctx, sc, string(it.Text)); err != nil {
				return "", err
			}
		case sqldump.Statement:
			stmt := l.wanted(it.Text)
			if stmt == nil {
				continue
			}
			if k := sqldump.Classify(stmt).Kind; k == sqldump.Index || k == sqldump.Key || k == sqldump.ForeignKey {
				return string(stmt), l.flush(ctx)
			}
			if err := l.statement(ctx, stmt); err != nil {
				return "", err
			}
		}
	}
}

// maxKept bounds what is kept of a dump for later, maxLeft what is said about it:
// a dump can be many times as large as memory.
const maxKept, maxLeft = 4 << 20, 1000

// batchSize bounds what is sent as one query: a server elsewhere is asked once
// for some dozens of statements, and few locks are held at a time.
const batchSize, batchBytes = 50, 1 << 18

// statement notes one for the first session, and makes a transaction of the statements
// that write a large object.
func (l *Loader) statement(ctx context.Context, stmt []byte) error {
	if sqldump.Setting(stmt) {
		if err := l.flush(ctx); err != nil {
			return err
		}
		if l.settingBytes += len(stmt); l.settingBytes > maxKept {
			return fmt.Errorf("the dump has more than %d MiB of SET statements; pg_dump writes about a dozen lines", maxKept>>20)
		}
		return l.setting(ctx, string(stmt))
	}
	t := sqldump.Tokens(stmt, 4)
	if slices.Contains(t, "lo_open") {
		if err := l.alone(ctx, "BEGIN"); err != nil {
			return err
		}
	}
	if err := l.note(ctx, stmt); err != nil {
		return err
	}
	if slices.Contains(t, "lo_close") {
		return l.alone(ctx, "COMMIT")
	}
	return nil
}

// alone is for what begins or ends a transaction: statements that are sent together are
// one otherwise.
func (l *Loader) alone(ctx context.Context, stmt string) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.note(ctx, []byte(stmt)); err != nil {
		return err
	}
	return l.flush(ctx)
}

func (l *Loader) note(ctx context.Context, stmt []byte) error {
	l.batch = append(l.batch, string(stmt))
	l.batchBytes += len(stmt)
	if len(l.batch) >= batchSize || l.batchBytes >= batchBytes {
		return l.flush(ctx)
	}
	return nil
}

// flush runs what statement has noted.
func (l *Loader) flush(ctx context.Context) error {
	if len(l.batch) == 0 {
		return nil
	}
	s, err := l.session(ctx, 0)
	if err != nil {
		return err
	}
	err = l.tolerant(ctx, s, l.batch)
	clear(l.batch)
	l.batch, l.batchBytes = l.batch[:0], 0
	return err
}

func (l *Loader) comment(text []byte) {
	if string(text) == sqldump.Trailer {
		l.trailer = true
	}
}

// wanted applies the policy and gives what is to be run, nil for nothing.
func (l *Loader) wanted(stmt []byte) []byte {
	if !l.made {
		if sqldump.Removal(stmt) {
			return nil // of pg_dump --clean, which may be thousands
		}
		l.made = slices.Equal(sqldump.Tokens(stmt, 1), []string{"create"})
	}
	if sqldump.Transaction(stmt) {
		return nil
	}
	v := l.Policy.Judge(stmt)
	if v.Later {
		if l.laterBytes += len(stmt); l.laterBytes <= maxKept {
			l.later = append(l.later, cmp.Or(v.Instead, string(stmt)))
		} else {
			v.Kind, v.Name = sqldump.OfOwner(stmt)
			v.Warn = fmt.Sprintf("%s: left out, since the dump has more than %d MiB of statements for the owner", strings.TrimSpace(v.Kind+" "+v.Name), maxKept>>20)
		}
	}
	if v.Warn != "" {
		l.leave(Omission{v.Kind, v.Name, v.Warn})
	}
	switch {
	case v.Drop || v.Later:
		return nil
	case v.Instead != "":
		return []byte(v.Instead)
	}
	return stmt
}

func (l *Loader) built(done, total int64, finished bool) {
	if l.Built != nil {
		l.Built(done, total, finished)
	}
}

// defaultJobs is how many connections are worth it: index building keeps one
// core busy each.
func defaultJobs() int { return min(max(runtime.NumCPU(), 2), 4) }
