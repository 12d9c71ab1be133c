package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// RehearseOptions say what to restore on trial.
type RehearseOptions struct {
	// Restore is as for a restore; its Database, Odoo and KeepOld do not count.
	Restore Options
	// Odoo runs the project's Odoo over the hidden database, nil for not at all.
	Odoo func(ctx context.Context, database string) error
}

// RehearseReport is what a rehearsal has shown.
type RehearseReport struct {
	Report
	// SHA256 is the archive's, in hexadecimal.
	SHA256 string
	Verify verify.Result
	// Tables and Rows are those of the restored database, without those of
	// extensions, of whose rows a dump has a part. RowsCompared: they are as many as in
	// the archive.
	Tables, Rows int64
	RowsCompared bool
	// Checked is how many files of the restored file store have the content that
	// their names say, Damaged how many have not, as in the archive.
	Checked, Damaged int
	// ServerVersion is the server's that it was restored into.
	ServerVersion string
	// Extensions are "name version" of those in the restored database, Collation
	// its collation.
	Extensions []string
	Collation  string
	// OdooRan: Odoo has worked on it without an error.
	OdooRan bool
	// Verified, Restored and Ran are how long each took.
	Verified, Restored, Ran time.Duration
}

// Rehearse proves that an archive can be restored, by restoring it: verified,
// loaded into a hidden database with a file store of its own, compared with the
// archive, run by Odoo where that is asked for, and dropped again. It is a
// restore that is always undone; nobody sees it, and odoodb.Recover does the same after
// a crash.
func Rehearse(ctx context.Context, s *server.Server, o RehearseOptions) (rep RehearseReport, err error) {
	start := time.Now()
	if rep.SHA256, err = verify.SHA256(ctx, o.Restore.File); err != nil {
		return rep, err
	}
	rep.Verify, err = verify.File(ctx, o.Restore.File, verify.Options{OdooMajor: o.Restore.OdooMajor, AllowMissingFiles: o.Restore.AllowMissingFiles, Progress: o.Restore.Progress, Jobs: o.Restore.Jobs})
	if rep.Verified = time.Since(start); err != nil {
		return rep, err
	}
	start = time.Now()
	o.Restore.Database, o.Restore.Odoo, o.Restore.KeepOld = "rehearsal_"+server.Token(), nil, false
	r := &restore{s: s, o: o.Restore}
	defer r.close()
	r.compare = func(ctx context.Context) error { return r.compareAll(ctx, &rep) }
	r.trial = func(ctx context.Context) error {
		rep.Restored = time.Since(start)
		if o.Odoo == nil {
			return nil
		}
		start := time.Now()
		err := o.Odoo(ctx, r.journal.New)
		rep.Ran, rep.OdooRan = time.Since(start), err == nil
		return err
	}
	if err = r.preflight(ctx); err == nil {
		err = r.run(ctx)
	}
	rep.Report = r.rep
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return rep, err
}

// compareAll compares the loaded database and the unpacked files with what the
// archive has, before anything is adapted.
func (r *restore) compareAll(ctx context.Context, rep *RehearseReport) error {
	c, err := r.loader(ctx)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	rep.ServerVersion = c.PgConn().ParameterStatus("server_version")
	if rep.Extensions, err = tables.Collect(ctx, c, `SELECT extname::pg_catalog.text OPERATOR(pg_catalog.||) ' '::pg_catalog.text OPERATOR(pg_catalog.||) extversion FROM pg_catalog.pg_extension ORDER BY 1`); err != nil {
		return err
	}
	sorted, err := tables.Collect(ctx, c, sortings, r.journal.NewOID, r.journal.NewOID)
	if err != nil {
		return err
	}
	for _, rules := range sorted {
		rep.Collation = rules
	}
	if rep.Tables, rep.Rows, err = countRows(ctx, c); err != nil {
		return err
	}
	// Rows that were left out, with a warning, were of extensions' tables.
	if rep.Rows != rep.Verify.OwnRows {
		return verify.Unproven(fmt.Sprintf("the archive has %d rows and the restored database %d", rep.Verify.OwnRows, rep.Rows))
	}
	rep.RowsCompared = true
	if rep.Checked, rep.Damaged, err = verify.Store(ctx, r.journal.Made); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if want := int(r.a.Files); rep.Checked+rep.Damaged != want || rep.Damaged != rep.Verify.DamagedFiles {
		return verify.Unproven(fmt.Sprintf("the archive has %d files, %d of them damaged, and the restored file store %d, %d of them damaged", want, rep.Verify.DamagedFiles, rep.Checked+rep.Damaged, rep.Damaged))
	}
	return nil
}

// countRows counts the rows of all tables but extensions'.
func countRows(ctx context.Context, c *pgx.Conn) (found, rows int64, err error) {
	names, err := tables.Collect(ctx, c, `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
		AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'::pg_catalog.name AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_'::pg_catalog.text)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend p
			WHERE p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND p.objid OPERATOR(pg_catalog.=) c.oid AND p.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char")`)
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		var n int64
		if err := c.QueryRow(ctx, `SELECT pg_catalog.count(*) FROM ONLY `+name).Scan(&n); err != nil {
			return 0, 0, fmt.Errorf("count the rows of %s: %w", name, err)
		}
		rows += n
	}
	return int64(len(names)), rows, nil
}
