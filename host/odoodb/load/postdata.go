package load

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// postRunner runs the part of a dump after the data. Indexes and keys of
// different tables, and indexes of one table, are built side by side, and a foreign
// key is checked as soon as its tables have theirs; everything that is not known to be
// independent waits for all that stands before it and is waited for.
type postRunner struct {
	l     *Loader
	batch []*job
	// unsure: a table of the batch has no schema in its name, so that the name of a
	// foreign key's may be another.
	unsure  bool
	remarks []string
	// kept is the length of the statements in both.
	kept int
	done int64
}

// afterData runs first and everything that follows it.
func (l *Loader) afterData(ctx context.Context, sc *sqldump.Scanner, first string) error {
	p := &postRunner{l: l}
	if err := p.statement(ctx, []byte(first)); err != nil {
		return err
	}
	for {
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		stmt := it.Text
		switch it.Kind {
		case sqldump.Comment:
			l.comment(stmt)
		case sqldump.Copy:
			// Rows after the first index are not pg_dump's way, and no reason to fail.
			if err := p.flush(ctx); err != nil {
				return err
			}
			if err := l.copyRows(ctx, sc, string(stmt)); err != nil {
				return err
			}
		case sqldump.Statement:
			if stmt = l.wanted(stmt); stmt != nil {
				if err := p.statement(ctx, stmt); err != nil {
					return err
				}
			}
		}
	}
	if err := p.flushAll(ctx); err != nil {
		return err
	}
	l.built(p.done, p.done, true)
	return nil
}

// flushAll runs the batch, and then what is said about it.
func (p *postRunner) flushAll(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	for _, sql := range p.remarks {
		if err := p.l.statement(ctx, []byte(sql)); err != nil {
			return err
		}
	}
	p.remarks, p.kept = nil, 0
	return p.l.flush(ctx)
}

func (p *postRunner) statement(ctx context.Context, stmt []byte) error {
	if p.kept += len(stmt); p.kept > maxKept {
		if err := p.flushAll(ctx); err != nil {
			return err
		}
	}
	post := sqldump.Classify(stmt)
	switch post.Kind {
	case sqldump.Remark:
		// Between every two indexes of a dump stand their comments.
		p.remarks = append(p.remarks, string(stmt))
		return nil
	case sqldump.Index, sqldump.Key, sqldump.ForeignKey:
		unsure := p.unsure || slices.ContainsFunc(post.Tables, func(table string) bool { return !strings.Contains(table, "\x00") })
		if n := len(p.batch); n > 0 && unsure && (p.batch[n-1].post.Kind == sqldump.ForeignKey) != (post.Kind == sqldump.ForeignKey) {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		p.unsure = unsure
		p.batch = append(p.batch, whole(string(stmt), post))
		return nil
	default:
		if err := p.flush(ctx); err != nil {
			return err
		}
		return p.l.statement(ctx, stmt)
	}
}

// flush runs the batch over all connections and waits for it.
func (p *postRunner) flush(ctx context.Context) error {
	if err := p.l.flush(ctx); err != nil || len(p.batch) == 0 {
		return err
	}
	for i := range p.l.Jobs {
		if _, err := p.l.session(ctx, i); err != nil {
			return err
		}
	}
	sizes, err := p.tableSizes(ctx)
	if err != nil {
		return err
	}
	q := &queue{jobs: arrange(p.batch, sizes), users: map[string]int{}, alone: map[string]bool{}}
	q.cond = sync.NewCond(&q.mu)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	total := p.done + int64(len(q.jobs))
	var wg sync.WaitGroup
	for _, s := range p.l.sessions {
		wg.Go(func() {
			for {
				j, ok := q.take()
				if !ok {
					return
				}
				err := p.l.run(ctx, s, j)
				if err != nil {
					cancel() // the other connections' statements, too
				}
				if done := q.release(j, err); err == nil {
					p.l.built(p.done+done, total, false)
				}
			}
		})
	}
	wg.Wait()
	p.done = total
	p.batch, p.unsure = nil, false
	return q.err
}

// tableSizes are those of the database's tables, in bytes.
func (p *postRunner) tableSizes(ctx context.Context) (map[string]int64, error) {
	results, err := p.l.sessions[0].conn.Exec(ctx, `SELECT n.nspname, c.relname, pg_catalog.pg_table_size(c.oid)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid`).ReadAll()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, row := range results[0].Rows {
		sizes[string(row[0])+"\x00"+string(row[1])], err = strconv.ParseInt(string(row[2]), 10, 64)
		if err != nil {
			return nil, err
		}
	}
	return sizes, nil
}
