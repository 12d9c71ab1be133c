package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// preflighted is what the checks before a restore found out.
type preflighted struct {
	serverMajor int
	roles       map[string]bool
	old         dbinfo
	keptName    string
	// extensions are made in public before the dump runs; elsewhere are those
	// that the dump makes in another schema.
	extensions, elsewhere []string
}

// preflight refuses what cannot work. It writes nothing anywhere.
func (r *restore) preflight(ctx context.Context) (err error) {
	if err := checkNew(r.o.Database); err != nil {
		return err
	}
	r.plan.keptName = keptName(r.o.Database, time.Now())
	if r.o.KeepOld {
		if err := checkName(r.plan.keptName); err != nil {
			return fmt.Errorf("the replaced database could not be kept under a dated name: %w; use a shorter name or leave out --keep-old", err)
		}
	}
	if r.a, err = archive.Open(r.o.File); err != nil {
		return err
	}
	r.rep.Warnings = append(r.rep.Warnings, r.a.Warnings...)
	if err := r.checkManifest(); err != nil {
		return err
	}
	if r.c, err = r.s.admin(ctx, maintenance); err != nil {
		return err
	}
	if err := r.checkServer(ctx); err != nil {
		return err
	}
	if err := r.checkHead(ctx); err != nil {
		return err
	}
	if err := r.checkTargetDatabase(ctx); err != nil {
		return err
	}
	if err := r.checkServerSpace(); err != nil {
		return err
	}
	return r.checkFilestore()
}

func (r *restore) checkManifest() error {
	m := r.a.Manifest
	if m == nil {
		return nil
	}
	if major := majorOf(m.MajorVersion + "."); r.o.OdooMajor != 0 && major != 0 && major != r.o.OdooMajor {
		return versionMismatch(major, r.o.OdooMajor)
	}
	if r.o.Neutralize && r.o.NeutralizeWithOdoo == nil && majorOf(m.MajorVersion+".") >= OdooNeutralizes {
		return fmt.Errorf("neutralizing a database of Odoo %s needs Odoo's own command, and there is no Odoo to run it", m.MajorVersion)
	}
	return nil
}

// checkServer compares versions and asks about the role everything runs as.
func (r *restore) checkServer(ctx context.Context) error {
	p := &r.plan
	var err error
	if p.serverMajor, err = serverMajor(ctx, r.c); err != nil {
		return err
	}
	h := r.a.Header
	if h.ServerMajor() > p.serverMajor {
		return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("was made from PostgreSQL %d and this server is %d: a dump does not go back to an older major; set postgres_version to %d in odpm.json (with a new data directory)", h.ServerMajor(), p.serverMajor, h.ServerMajor())}
	}
	if h.ArchiveVersion != "" {
		// A native server may come with newer client programs than itself.
		client, err := r.s.programMajor(ctx, "pg_restore")
		if err != nil {
			return err
		}
		if !h.ReadableBy(client) {
			return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("was written by pg_dump %d, in format %s that pg_restore %d cannot read; make the backup with pg_dump %d", h.DumpMajor(), h.ArchiveVersion, client, client)}
		}
	}
	names, err := collect(ctx, r.c, `SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles`)
	if err != nil {
		return err
	}
	p.roles = map[string]bool{}
	for _, name := range names {
		p.roles[name] = true
	}
	if !p.roles[r.s.AppRole] {
		return fmt.Errorf("role %q does not exist; create it with: odpm database ensure-role", r.s.AppRole)
	}
	return nil
}

// odooExtensions are those that Odoo and its modules use and that give a role
// no rights outside of its database. As administrator odpm creates these only:
// the archive is not trusted to choose.
var odooExtensions = []string{
	"pg_trgm", "unaccent", "vector", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch",
	"hstore", "intarray", "ltree", "pgcrypto", "postgis", "tablefunc", "uuid-ossp", "pg_stat_statements",
}

type extension struct{ name, schema string }

// checkHead reads the dump up to its first table.
func (r *restore) checkHead(ctx context.Context) error {
	wanted, err := r.headExtensions(ctx)
	if err != nil {
		return err
	}
	available, err := collect(ctx, r.c, `SELECT name::pg_catalog.text FROM pg_catalog.pg_available_extensions`)
	if err != nil {
		return err
	}
	var trusted []string
	if r.plan.serverMajor >= 13 {
		if trusted, err = collect(ctx, r.c, `SELECT DISTINCT name::pg_catalog.text FROM pg_catalog.pg_available_extension_versions WHERE trusted`); err != nil {
			return err
		}
	}
	for _, e := range wanted {
		if e.name == "plpgsql" {
			continue
		}
		if !slices.Contains(available, e.name) {
			return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("needs the PostgreSQL extension %q, which this server does not have; use a PostgreSQL image that has it", e.name)}
		}
		known := slices.Contains(odooExtensions, e.name)
		if !known && !slices.Contains(trusted, e.name) {
			return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("wants the PostgreSQL extension %q, which only a superuser may create and which Odoo does not use; odpm does not create it for an archive", e.name)}
		}
		switch {
		case e.schema != "" && e.schema != "public":
			// Left to the dump, which makes the schema first; what it then refers
			// to by that schema must not be in public.
			r.plan.elsewhere = append(r.plan.elsewhere, e.name)
		case known:
			r.plan.extensions = append(r.plan.extensions, e.name)
		}
	}
	return nil
}

// maxExtensions is more than any server has.
const maxExtensions = 1000

func (r *restore) headExtensions(ctx context.Context) ([]extension, error) {
	sql, err := r.s.openSQL(ctx, r.a, "--section=pre-data")
	if err != nil {
		return nil, err
	}
	defer sql.Close()
	var found []extension
	sc := sqldump.New(sql)
	for {
		it, err := sc.Next()
		if errors.Is(err, io.EOF) || err == nil && it.Kind == sqldump.Copy {
			return found, nil
		}
		if err != nil {
			return nil, r.readError(err)
		}
		if it.Kind != sqldump.Statement {
			continue
		}
		if name, schema, ok := sqldump.Extension(it.Text); ok {
			if found = append(found, extension{name, schema}); len(found) > maxExtensions {
				return nil, &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("wants more than %d PostgreSQL extensions", maxExtensions)}
			}
		}
		if t := sqldump.Tokens(it.Text, 2); len(t) == 2 && t[0] == "create" && t[1] == "table" {
			return found, nil
		}
	}
}

// checkTargetDatabase looks at what is to be replaced.
func (r *restore) checkTargetDatabase(ctx context.Context) error {
	old, err := lookup(ctx, r.c, r.o.Database)
	if IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	r.plan.old = old
	held, err := preparedHolders(ctx, r.c, r.o.Database)
	if err == nil && !r.o.KeepOld {
		held, err = dropHolders(ctx, r.c, r.o.Database)
	}
	if err != nil {
		return err
	}
	if old.Template {
		held = append(held, fmt.Sprintf("its being a template; if it may be replaced: ALTER DATABASE %s IS_TEMPLATE false;", ident(r.o.Database)))
	}
	if len(held) > 0 {
		return &heldError{r.o.Database, old.Owner, held}
	}
	if old.Owner != r.s.AppRole {
		r.rep.warn("the replaced database belonged to role %q; the restored one belongs to %q", old.Owner, r.s.AppRole)
	}
	return nil
}

// checkFilestore opens the directory of the file stores and asks whether they
// can be swapped and have room.
func (r *restore) checkFilestore() (err error) {
	r.owner = r.s.Files.Owner(r.o.Database)
	r.home, err = r.s.Files.Home(r.o.Database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	live := r.home.At(r.home.Live)
	if r.home.MountPoint() {
		return fmt.Errorf("file store %s is a mount of its own and cannot be exchanged; mount its parent instead, or move its content to a directory in it and name that in .env: %s",
			live, r.s.Files.Setting(r.o.Database, filepath.Join(live, "files")))
	}
	if err := r.home.Writable(); err != nil {
		return fmt.Errorf("file store: %w; the restored one is made there, beside the one that it replaces", err)
	}
	filled, err := r.home.Filled(r.home.Live)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if filled && r.plan.old.OID == 0 {
		if err := checkName(r.plan.keptName); err != nil {
			return fmt.Errorf("there is a file store %s without a database, and no room in its name to keep it under a dated one; move it away first", live)
		}
	}
	free, err := r.home.Free()
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if r.a.FilesSize > free {
		return fmt.Errorf("the file store needs %s in %s, and %s are free; make room first", mib(r.a.FilesSize), r.home.Path(), mib(free))
	}
	return nil
}
