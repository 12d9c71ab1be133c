package odoodb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// loader runs a plain dump in an empty database, as the application role.
//
// It speaks PostgreSQL's protocol itself and starts no psql: what a dump says
// to psql (backslash commands, variables) then means nothing to anybody, the
// version of the server's psql does not matter, and the rows of a large table
// can go over several connections.
type loader struct {
	s        *Server
	database string
	policy   sqldump.Policy
	// jobs is how many connections load rows and build indexes side by side.
	jobs     int
	progress Progress
	// total is the dump's size, 0 when unknown.
	total int64

	sessions []*loadSession
	// settings are the dump's own, for every session; batch are statements that
	// are not sent yet.
	settings   [][]byte
	batch      [][]byte
	batchBytes int
	warnings   []string
	warned     map[string]bool
	trailer    bool
}

// trailerLine ends what pg_dump wrote to its end.
const trailerLine = "-- PostgreSQL database dump complete"

// truncatedError is a dump without its trailer.
type truncatedError struct{}

func (truncatedError) Error() string {
	return "the dump is cut off: its last line, \"" + trailerLine + "\", is missing"
}

// load reads the dump once. Tables are made on one connection and rows are
// loaded as they come; from the first index or key on, statements run over
// several connections, since their order is free.
func (l *loader) load(ctx context.Context, r io.Reader) error {
	defer l.closeSessions()
	sc := sqldump.New(r)
	l.warned = map[string]bool{}
	stop := l.tick(sc)
	first, err := l.untilIndexes(ctx, sc)
	stop()
	if err != nil {
		return err
	}
	if first != nil {
		if err := l.afterData(ctx, sc, first); err != nil {
			return err
		}
	}
	if !l.trailer {
		return truncatedError{}
	}
	return nil
}

// tick reports how far the dump is read.
func (l *loader) tick(sc *sqldump.Scanner) (stop func()) {
	if l.progress == nil {
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
				l.progress.send(Event{Phase: PhaseRestore, Done: sc.Read(), Total: l.total})
			case <-done:
				l.progress.send(Event{Phase: PhaseRestore, Done: sc.Read(), Total: l.total, Finished: true})
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// untilIndexes runs the dump up to the first statement that can run beside
// others, which it returns; nil at the end of the dump.
func (l *loader) untilIndexes(ctx context.Context, sc *sqldump.Scanner) (first []byte, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return nil, l.flush(ctx)
		}
		if err != nil {
			return nil, err
		}
		switch it.Kind {
		case sqldump.Comment:
			l.comment(it.Text)
		case sqldump.Copy:
			if err := l.flush(ctx); err != nil {
				return nil, err
			}
			if err := l.copyRows(ctx, sc, string(it.Text)); err != nil {
				return nil, err
			}
		case sqldump.Statement:
			if !l.wanted(it.Text) {
				continue
			}
			if k := sqldump.Classify(it.Text).Kind; k == sqldump.Index || k == sqldump.Key || k == sqldump.ForeignKey {
				return bytes.Clone(it.Text), l.flush(ctx)
			}
			if err := l.statement(ctx, it.Text); err != nil {
				return nil, err
			}
		}
	}
}

// batchSize bounds what is sent as one query: a server elsewhere is asked once
// for some dozens of statements, and few locks are held at a time.
const batchSize, batchBytes = 50, 1 << 18

// statement notes one for the first session. What ends or begins a transaction
// goes alone: statements that are sent together are one transaction otherwise.
func (l *loader) statement(ctx context.Context, stmt []byte) error {
	alone := false
	switch t := sqldump.Tokens(stmt, 1); {
	case sqldump.Setting(stmt):
		if err := l.flush(ctx); err != nil {
			return err
		}
		l.settings = append(l.settings, bytes.Clone(stmt))
		return nil
	case len(t) == 1:
		alone = slices.Contains([]string{"begin", "start", "commit", "end", "rollback", "abort"}, t[0])
	}
	if alone {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.batch = append(l.batch, bytes.Clone(stmt))
	l.batchBytes += len(stmt)
	if alone || len(l.batch) >= batchSize || l.batchBytes >= batchBytes {
		return l.flush(ctx)
	}
	return nil
}

// flush runs what statement has noted.
func (l *loader) flush(ctx context.Context) error {
	if len(l.batch) == 0 {
		return nil
	}
	s, err := l.session(ctx, 0)
	if err != nil {
		return err
	}
	err = s.exec(ctx, l.batch...)
	l.batch, l.batchBytes = l.batch[:0], 0
	return err
}

func (l *loader) comment(text []byte) {
	if string(text) == trailerLine {
		l.trailer = true
	}
}

// wanted applies the policy.
func (l *loader) wanted(stmt []byte) bool {
	v := l.policy.Judge(stmt)
	if v.Warn != "" && !l.warned[v.Warn] {
		l.warned[v.Warn] = true
		l.warnings = append(l.warnings, v.Warn)
	}
	return !v.Drop
}

// defaultJobs is how many connections are worth it: index building keeps one
// core busy each.
func defaultJobs() int { return min(max(runtime.NumCPU(), 2), 4) }
