package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/quote"
)

// fill makes the database and loads the dump, and unpacks the file store at the same time.
func (r *restore) fill(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := extract(ctx, r.a, r.journal.Made, r.o.Progress); err != nil {
			cancel(fullStore(err))
		}
	})
	watching, end := context.WithCancel(ctx)
	var guard sync.WaitGroup
	guard.Go(func() { r.guardDisks(watching, cancel, r.read.Load) })
	if err := r.fillDatabase(ctx); err != nil {
		cancel(err)
	}
	wg.Wait()
	end()
	guard.Wait()
	return r.fullServer(ctx, context.Cause(ctx))
}

func (r *restore) fillDatabase(ctx context.Context) error {
	oid, err := create.Hidden(ctx, r.s, r.journal.New, r.o.Database, create.Options{Unaccent: r.o.Unaccent, Extensions: r.plan.extensions.Create, Tablespace: r.plan.old.Tablespace})
	if err != nil {
		return err
	}
	r.journal.NewOID = oid
	if err := r.journal.Save(); err != nil {
		return err
	}
	fault.At("created")
	if err := r.compareSorting(ctx); err != nil {
		return err
	}
	if err := r.makeLoader(ctx); err != nil {
		return err
	}
	fault.At("loader made")
	return r.loadDump(ctx)
}

func (r *restore) loadDump(ctx context.Context) error {
	sql, err := r.a.SQL()
	if err != nil {
		return err
	}
	defer sql.Close()
	l := &load.Loader{
		Database: r.o.Database, Jobs: r.o.Jobs,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return r.login(ctx, r.notice) },
		Read: func(done, total int64, finished bool) {
			r.read.Store(done)
			r.o.Progress.Send(progress.Event{Phase: progress.PhaseRestore, Done: done, Total: total, Finished: finished})
		},
		Built: func(done, total int64, finished bool) {
			r.o.Progress.Send(progress.Event{Phase: progress.PhaseIndexes, Done: done, Total: total, Items: true, Finished: finished})
		},
		Policy: sqldump.Policy{ServerMajor: r.plan.serverMajor, Owner: r.s.AppRole,
			HasRole: func(role string) bool { return r.plan.roles[role] }, HasTablespace: func(name string) bool { return r.plan.tablespaces[name] },
			Extensions: r.plan.extensions.Leave, Schemas: r.plan.extensions.Schemas},
		SearchPath: r.searchPath(), AllowBroken: r.o.AllowBroken,
	}
	r.notice = l.Notice
	err = r.readError(l.Load(ctx, sql, r.a.DumpSize))
	if err == nil {
		// A load reads a dump to its last statement, not to its end, and a bar that ends
		// below 100 % looks like a load that failed.
		r.o.Progress.Send(progress.Event{Phase: progress.PhaseRestore, Done: r.a.DumpSize, Total: r.a.DumpSize, Finished: true})
	}
	r.rep.LeftOut = l.LeftOut()
	r.later = l.Later()
	return err
}

// searchPath is the database's own: what was set on the one that is replaced,
// else the server's default as the application role has it, with the schemas of
// extensions, where such a path leads.
func (r *restore) searchPath() string {
	path := quote.Ident(r.s.AppRole) + ", public"
	if set := r.plan.searchPath; set != "" {
		path = strings.ReplaceAll(set, `"$user"`, quote.Ident(r.s.AppRole))
	}
	for _, schema := range slices.Sorted(maps.Keys(r.plan.extensions.Schemas)) {
		path += ", " + quote.Ident(schema)
	}
	return path
}

// readError makes what a load found out a refusal of the archive.
func (r *restore) readError(err error) error {
	var needs *load.NeedsError
	if errors.As(err, &needs) {
		return &archive.Error{Path: r.a.Path, Why: needs.Error()}
	}
	var pgErr *pgconn.PgError
	from, here := max(r.a.Header.ServerMajor(), r.a.Header.DumpMajor()), r.plan.serverMajor
	if from > here && errors.As(err, &pgErr) && slices.Contains(newerSyntax, pgErr.Code) {
		return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("was written by PostgreSQL %d, and this server is %d, which may not support what failed: %v; to restore it into PostgreSQL %d, set postgres_version in odpm.json (with a new data directory)", from, here, err, from)}
	}
	return err
}

// newerSyntax are the codes of statements that only a newer server knows: syntax,
// parameters, features, objects.
var newerSyntax = []string{"42601", "22023", "0A000", "42704", "42883"}
