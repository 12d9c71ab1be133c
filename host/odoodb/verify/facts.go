package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// unprovenError is a restored database that is not what the archive promised.
type unprovenError struct{ why string }

func (e *unprovenError) Error() string { return e.why }

// Unproven is the error of an archive, or of a restored database, that is not what
// was promised.
func Unproven(why string) error { return &unprovenError{why} }

// IsUnproven says whether a restore ended because the restored database is not
// what the archive's manifest or the project promise.
func IsUnproven(err error) bool {
	var e *unprovenError
	return errors.As(err, &e) || errors.Is(err, sqldump.ErrCutOff)
}

// DatabaseFacts asks a restored database what verify reads in a dump; has are the
// files that there are.
func DatabaseFacts(ctx context.Context, c *pgx.Conn, has func(name string) (place int, size uint32, found bool)) (Facts, error) {
	said := newContent()
	said.stored.has = has
	all, err := tables.Modules(ctx, c, "")
	if err != nil && !tables.IsNotOdoo(err) {
		return Facts{}, err
	}
	if err == nil {
		said.columns[modulesTable] = wantedColumns[modulesTable]
	}
	for _, m := range all {
		said.row(modulesTable, []string{m.Name, m.State, m.Version})
	}
	if err := attachmentFiles(ctx, c, func(name, size string) { said.row(attachments, []string{name, size}) }); err != nil {
		return Facts{}, err
	}
	return said.facts()
}

// attachmentFiles gives store_fname and file_size of every attachment; file_size is
// "" where it is NULL, or where there is no such column.
func attachmentFiles(ctx context.Context, c *pgx.Conn, each func(name, size string)) error {
	cols, err := tables.Columns(ctx, c, attachments)
	if err != nil || !cols["store_fname"] {
		return err
	}
	names := slices.DeleteFunc(slices.Clone(wantedColumns[attachments]), func(n string) bool { return !cols[n] })
	return tables.CopyOut(ctx, c, attachments, names, func(v []string) {
		if len(v) == 1 {
			each(v[0], "")
			return
		}
		each(v[0], v[1])
	})
}

// VersionMismatch is the error of an archive of another Odoo version than the project's.
func VersionMismatch(archived, project int) error {
	return Unproven(fmt.Sprintf("the archive is from Odoo %d, but the project is Odoo %d, and Odoo does not migrate a database: set odoo_version to %d.0 in odpm.json, or restore a backup of Odoo %d", archived, project, archived, project))
}

func compareModules(want, have map[string]string) []string {
	var diff []string
	for n, v := range want {
		switch h, ok := have[n]; {
		case !ok:
			diff = append(diff, n+" is not installed")
		case h != v:
			diff = append(diff, fmt.Sprintf("%s is %s instead of %s", n, h, v))
		}
	}
	for n := range have {
		if _, ok := want[n]; !ok {
			diff = append(diff, n+" is installed as well")
		}
	}
	sort.Strings(diff)
	return diff
}

// DatabaseOnly says whether nothing but the database is there: attachments have
// files in the file store, and none of them is in the archive. Odoo opens such a
// database, and every document in it is lost; so nobody calls it complete.
func DatabaseOnly(stored, missing int) bool { return stored > 0 && missing == stored }

// DatabaseOnlyText says it in a line about a result.
func DatabaseOnlyText(stored int) string {
	if stored == 1 {
		return "database only (without the attachment's file)"
	}
	return fmt.Sprintf("database only (none of the attachments' %d files)", stored)
}

// Few lists the first ones and counts the rest.
func Few(items []string) string { return FewOf(items, len(items)) }

// FewOf lists the first ones of so many.
func FewOf(items []string, total int) string {
	const n = 5
	if total <= n {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:min(n, len(items))], ", "), total-min(n, len(items)))
}

// StoredFiles are the names that a database's attachments have in its file store,
// and what they have elsewhere.
func StoredFiles(ctx context.Context, c *pgx.Conn) ([]string, Elsewhere, error) {
	var names []string
	var other elsewhereNames
	err := attachmentFiles(ctx, c, func(name, _ string) {
		if storage, ok := storageOf(name); ok {
			other.add(storage, name)
		} else if name != "" {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names), other.all(), err
}

// FilesIn are the files of a file store for DatabaseFacts.
func FilesIn(store *filestore.Store) (func(name string) (place int, size uint32, found bool), error) {
	set := archive.NewNameSet()
	err := store.Each(nil, func(name string, size int64) error {
		set.Add(name, size)
		return nil
	})
	set.Sort()
	return set.Find, err
}
