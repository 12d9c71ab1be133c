package odoodb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// postRunner runs the part of a dump after the data. Indexes and keys of
// different tables, and indexes of one table, are built side by side;
// everything that is not known to be independent waits for all that stands
// before it and is waited for.
type postRunner struct {
	l       *loader
	conns   []*pgx.Conn
	batch   []job
	group   int // 1 indexes and keys, 2 foreign keys
	remarks [][]byte
	done    int64
}

type job struct {
	sql    []byte
	tables []string
	shared bool
}

// afterData runs first and everything that follows it.
func (l *loader) afterData(ctx context.Context, sc *sqldump.Scanner, first []byte) error {
	p := &postRunner{l: l}
	defer p.close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	stmt, kind := first, sqldump.Statement
	for {
		switch kind {
		case sqldump.Comment:
			l.comment(stmt)
		case sqldump.Copy:
			if err := p.copyIn(ctx, sc, string(stmt)); err != nil {
				return err
			}
		case sqldump.Statement:
			if l.wanted(stmt) {
				if err := p.statement(ctx, stmt); err != nil {
					return err
				}
			}
		}
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		stmt, kind = it.Text, it.Kind
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	for _, sql := range p.remarks {
		if err := p.exec(ctx, p.conns[0], sql); err != nil {
			return err
		}
	}
	l.progress.send(Event{Phase: PhaseIndexes, Done: p.done, Total: p.done, Items: true, Finished: true})
	return nil
}

func (p *postRunner) connect(ctx context.Context) error {
	for range p.l.jobs {
		c, err := p.l.s.app(ctx, p.l.database)
		if err != nil {
			return err
		}
		p.conns = append(p.conns, c)
		for k, v := range sessionOptions(p.l.jobs) {
			if err := p.exec(ctx, c, []byte("SET "+k+" = '"+v+"'")); err != nil {
				return err
			}
		}
		for _, sql := range p.l.settings {
			if err := p.exec(ctx, c, sql); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *postRunner) close() {
	for _, c := range p.conns {
		closeConn(c)
	}
}

// exec uses the simple protocol: the text runs as it stands in the dump.
func (p *postRunner) exec(ctx context.Context, c *pgx.Conn, sql []byte) error {
	_, err := c.PgConn().Exec(ctx, string(sql)).ReadAll()
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(string(sql)), " ")
	if len(text) > 120 {
		text = text[:120] + "…"
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Detail != "" {
		return fmt.Errorf("restore into database %q: %w (%s), in: %s", p.l.database, err, pgErr.Detail, text)
	}
	return fmt.Errorf("restore into database %q: %w, in: %s", p.l.database, err, text)
}

func (p *postRunner) statement(ctx context.Context, stmt []byte) error {
	post := sqldump.Classify(stmt)
	group := 0
	switch post.Kind {
	case sqldump.Remark:
		// Between every two indexes of a dump stand their comments.
		p.remarks = append(p.remarks, bytes.Clone(stmt))
		return nil
	case sqldump.Index, sqldump.Key:
		group = 1
	case sqldump.ForeignKey:
		group = 2
	}
	if group != p.group || group == 0 {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	p.group = group
	if group > 0 {
		p.batch = append(p.batch, job{bytes.Clone(stmt), post.Tables, post.Kind == sqldump.Index})
		return nil
	}
	conns := p.conns[:1]
	if sqldump.Setting(stmt) {
		conns = p.conns
	}
	for _, c := range conns {
		if err := p.exec(ctx, c, stmt); err != nil {
			return err
		}
	}
	return nil
}

// copyIn is for rows that stand after the first index, which pg_dump does not
// do but which is no reason to fail.
func (p *postRunner) copyIn(ctx context.Context, sc *sqldump.Scanner, stmt string) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(sc.CopyData(pw)) }()
	_, err := p.conns[0].PgConn().CopyFrom(ctx, pr, stmt)
	pr.CloseWithError(io.ErrClosedPipe)
	if err != nil {
		return fmt.Errorf("restore into database %q: %w, in: %s", p.l.database, err, stmt)
	}
	return nil
}

// flush runs the batch over all connections and waits for it.
func (p *postRunner) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	if err := p.largestFirst(ctx); err != nil {
		return err
	}
	q := &queue{jobs: p.batch, users: map[string]int{}, alone: map[string]bool{}}
	q.cond = sync.NewCond(&q.mu)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	total := p.done + int64(len(p.batch))
	var wg sync.WaitGroup
	for _, c := range p.conns {
		wg.Go(func() {
			for {
				j, ok := q.take()
				if !ok {
					return
				}
				err := p.exec(ctx, c, j.sql)
				if err != nil {
					cancel() // the other connections' statements, too
				}
				if done := q.release(j, err); err == nil {
					p.l.progress.send(Event{Phase: PhaseIndexes, Done: p.done + done, Total: total, Items: true})
				}
			}
		})
	}
	wg.Wait()
	p.done = total
	p.batch = nil
	return q.err
}

// largestFirst puts the statements of a batch, whose order is free, in the
// order of their tables' sizes: the last one should not be the longest.
func (p *postRunner) largestFirst(ctx context.Context) error {
	rows, err := p.conns[0].Query(ctx, `SELECT n.nspname::text, c.relname::text, pg_catalog.pg_table_size(c.oid)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.oid >= 16384`)
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	var schema, name string
	var size int64
	if _, err := pgx.ForEachRow(rows, []any{&schema, &name, &size}, func() error { sizes[schema+"\x00"+name] = size; return nil }); err != nil {
		return err
	}
	slices.SortStableFunc(p.batch, func(a, b job) int { return cmp.Compare(sizes[b.tables[0]], sizes[a.tables[0]]) })
	return nil
}

// queue gives out statements in their order as far as their tables are free.
type queue struct {
	mu   sync.Mutex
	cond *sync.Cond
	jobs []job
	// users counts statements that share a table, alone marks tables that one has.
	users map[string]int
	alone map[string]bool
	done  int64
	err   error
}

// take waits for a statement that may run now; false when there are no more.
func (q *queue) take() (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil || len(q.jobs) == 0 {
			return job{}, false
		}
		if i := q.ready(); i >= 0 {
			j := q.jobs[i]
			q.jobs = append(q.jobs[:i:i], q.jobs[i+1:]...)
			for _, t := range j.tables {
				if j.shared {
					q.users[t]++
				} else {
					q.alone[t] = true
				}
			}
			return j, true
		}
		q.cond.Wait()
	}
}

// ready is the first statement that conflicts neither with what runs nor with
// what stands before it, -1 if there is none.
func (q *queue) ready() int {
	ahead := map[string]bool{} // table → an earlier statement wants it alone
	seen := map[string]bool{}
	for i, j := range q.jobs {
		ok := true
		for _, t := range j.tables {
			if q.alone[t] || ahead[t] || !j.shared && (q.users[t] > 0 || seen[t]) {
				ok = false
			}
		}
		if ok {
			return i
		}
		for _, t := range j.tables {
			seen[t] = true
			ahead[t] = ahead[t] || !j.shared
		}
	}
	return -1
}

func (q *queue) release(j job, err error) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range j.tables {
		if j.shared {
			q.users[t]--
		} else {
			delete(q.alone, t)
		}
	}
	if err != nil && q.err == nil {
		q.err = err
	}
	q.done++
	q.cond.Broadcast()
	return q.done
}
