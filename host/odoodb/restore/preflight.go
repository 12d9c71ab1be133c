package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/disk"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// preflighted is what the checks before a restore found out.
type preflighted struct {
	serverMajor int
	roles       map[string]bool
	old         server.Info
	keptName    string
	extensions  needs.Plan
	tablespaces map[string]bool
	// places are where PostgreSQL writes, disks what was free there.
	places []string
	disks  disks
	// searchPath is the database's own, as SET search_path has it.
	searchPath string
}

// CheckArchive refuses an archive for what it is, or for another version of Odoo
// than the project's (0 for any), as a restore does before it asks the server.
func CheckArchive(file string, odooMajor int) error {
	a, err := archive.Open(file)
	if err != nil {
		return err
	}
	defer a.Close()
	r := restore{a: a, o: Options{OdooMajor: odooMajor}}
	return r.checkManifest()
}

// CheckKept refuses to keep a database whose dated name would be too long.
func CheckKept(database string) error {
	if err := server.CheckName(keptName(database, time.Now())); err != nil {
		return fmt.Errorf("the replaced database could not be kept under a dated name: %w; use a shorter name or leave out --keep-old", err)
	}
	return nil
}

// preflight refuses what cannot work. It writes nothing anywhere.
func (r *restore) preflight(ctx context.Context) (err error) {
	if err := server.CheckNewName(r.o.Database); err != nil {
		return err
	}
	r.plan.keptName = keptName(r.o.Database, time.Now())
	if r.o.KeepOld {
		if err := CheckKept(r.o.Database); err != nil {
			return err
		}
	}
	if r.a, err = archive.Open(r.o.File); err != nil {
		return err
	}
	r.rep.Warnings = append(r.rep.Warnings, r.a.Warnings...)
	if err := r.checkManifest(); err != nil {
		return err
	}
	if r.c, err = r.s.Administrator(ctx, server.Maintenance); err != nil {
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
	if err := r.checkServerSpace(ctx); err != nil {
		return err
	}
	return r.checkFilestore()
}

func (r *restore) checkManifest() error {
	m := r.a.Manifest
	if m == nil {
		return nil
	}
	if major := tables.MajorOf(m.MajorVersion + "."); r.o.OdooMajor != 0 && major != 0 && major != r.o.OdooMajor {
		return verify.VersionMismatch(major, r.o.OdooMajor)
	}
	if r.o.Neutralize && r.o.NeutralizeWithOdoo == nil && tables.MajorOf(m.MajorVersion+".") >= neutralize.Since {
		return fmt.Errorf("neutralizing a database of Odoo %s takes Odoo's own command, but there is no Odoo to run it", m.MajorVersion)
	}
	return nil
}

// checkServer asks for the version, the roles and the tablespaces.
func (r *restore) checkServer(ctx context.Context) error {
	p := &r.plan
	var err error
	if p.serverMajor, err = server.Major(ctx, r.c); err != nil {
		return err
	}
	names, err := tables.Collect(ctx, r.c, `SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles`)
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
	p.tablespaces, err = needs.UsableTablespaces(ctx, r.c, r.s.AppRole)
	return err
}

// checkTargetDatabase looks at what is to be replaced.
func (r *restore) checkTargetDatabase(ctx context.Context) error {
	old, err := server.Lookup(ctx, r.c, r.o.Database)
	if server.IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.Invalid && r.o.KeepOld {
		return server.Invalid(r.o.Database)
	}
	r.plan.old = old
	held, err := drop.PreparedHolders(ctx, r.c, r.o.Database)
	if err == nil && !r.o.KeepOld {
		held, err = drop.Holders(ctx, r.c, r.o.Database)
	}
	if err != nil {
		return err
	}
	if old.Template {
		held = append(held, fmt.Sprintf("its template flag; to allow replacing it: ALTER DATABASE %s IS_TEMPLATE false;", quote.Ident(r.o.Database)))
	}
	if len(held) > 0 {
		return server.HeldBy(r.o.Database, old.Owner, held)
	}
	if old.Invalid {
		// The swap drops it. As after a drop, there may be a file store without a database.
		r.plan.old = server.Info{Tablespace: old.Tablespace}
		r.rep.warn("the replaced database %q was invalid (PostgreSQL had been interrupted while dropping it), so none of its settings were kept", r.o.Database)
		return nil
	}
	if r.plan.searchPath, err = r.ownSearchPath(ctx); err != nil {
		return err
	}
	if old.Owner != r.s.AppRole {
		r.rep.warn("the replaced database belonged to role %q; the restored one belongs to %q", old.Owner, r.s.AppRole)
	}
	return nil
}

// ownSearchPath is what somebody has set for the database, or for the application
// role in it, "" for nothing. A dump does not have it.
func (r *restore) ownSearchPath(ctx context.Context) (string, error) {
	set, err := tables.Collect(ctx, r.c, `SELECT pg_catalog.substr(kv, 13) FROM pg_catalog.pg_db_role_setting s
		CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS kv
		LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.setrole
		WHERE s.setdatabase OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND pg_catalog.starts_with(kv, 'search_path='::pg_catalog.text)
		AND (r.oid IS NULL OR r.rolname OPERATOR(pg_catalog.=) $2::pg_catalog.name) ORDER BY s.setrole DESC LIMIT 1`, r.plan.old.OID, r.s.AppRole)
	if err != nil || len(set) == 0 {
		return "", err
	}
	return set[0], nil
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
		return fmt.Errorf("file store %s is itself a mount point, which cannot be renamed; mount its parent instead, or move its content into a directory below it and name that in .env: %s",
			live, r.s.Files.Setting(r.o.Database, filepath.Join(live, "files")))
	}
	if err := r.home.Writable(); err != nil {
		return fmt.Errorf("file store: %w; the restored one is written there, beside the one that it replaces", err)
	}
	filled, err := r.home.Filled(r.home.Live)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if filled && r.plan.old.OID == 0 {
		if err := server.CheckName(r.plan.keptName); err != nil {
			return fmt.Errorf("file store %s has no database, and its name is too long to add a date to it; move it elsewhere first", live)
		}
	}
	free, err := r.home.Free()
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if r.a.FilesSize > free {
		return fmt.Errorf("the file store needs %s in %s, but only %s are free; free up space first", disk.MiB(r.a.FilesSize), r.home.Path(), disk.MiB(free))
	}
	return nil
}
