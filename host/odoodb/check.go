package odoodb

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
)

// unprovenError is a restored database that is not what the archive promised.
type unprovenError struct{ why string }

func (e *unprovenError) Error() string { return e.why }

// IsUnproven says whether a restore ended because the restored database is not
// what the archive's manifest or the project promise.
func IsUnproven(err error) bool {
	var e *unprovenError
	return errors.As(err, &e) || errors.Is(err, sqldump.ErrCutOff)
}

// databaseFacts asks a restored database what verify reads in a dump; has are the
// files that there are.
func databaseFacts(ctx context.Context, c *pgx.Conn, has func(name string) (place int, size uint32, found bool)) (facts, error) {
	said := newContent()
	said.stored.has = has
	all, err := modules(ctx, c, "")
	if err != nil && !IsNotOdoo(err) {
		return facts{}, err
	}
	for _, m := range all {
		said.row(modulesTable, []string{m.name, m.state, m.version})
	}
	if err := attachmentFiles(ctx, c, func(name, size string) { said.row(attachments, []string{name, size}) }); err != nil {
		return facts{}, err
	}
	return said.facts()
}

// attachmentFiles gives store_fname and file_size of every attachment; file_size is
// "" where it is NULL, or where there is no such column.
func attachmentFiles(ctx context.Context, c *pgx.Conn, each func(name, size string)) error {
	cols, err := columns(ctx, c, attachments)
	if err != nil || !cols["store_fname"] {
		return err
	}
	names := slices.DeleteFunc(slices.Clone(wantedColumns[attachments]), func(n string) bool { return !cols[n] })
	return copyOut(ctx, c, attachments, names, func(v []string) {
		if len(v) == 1 {
			each(v[0], "")
			return
		}
		each(v[0], v[1])
	})
}

// installedVersions are what a manifest lists.
func installedVersions(all []module) map[string]string {
	have := map[string]string{}
	for _, m := range all {
		if m.state == "installed" {
			have[m.name] = m.version
		}
	}
	return have
}

func versionMismatch(archived, project int) error {
	return &unprovenError{fmt.Sprintf("the archive is of Odoo %d and the project is Odoo %d; Odoo does not migrate a database by itself: set odoo_version to %d.0 in odpm.json, or restore a backup of Odoo %d", archived, project, archived, project)}
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

// few lists the first ones and counts the rest.
func few(items []string) string { return fewOf(items, len(items)) }

// fewOf lists the first ones of so many.
func fewOf(items []string, total int) string {
	const n = 5
	if total <= n {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:min(n, len(items))], ", "), total-min(n, len(items)))
}

// storedFiles are the names that a database's attachments have in its file store,
// and what they have elsewhere.
func storedFiles(ctx context.Context, c *pgx.Conn) ([]string, Elsewhere, error) {
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

// filesIn are the files of a file store for databaseFacts.
func filesIn(store *filestore.Store) (func(name string) (place int, size uint32, found bool), error) {
	set := archive.NewNameSet()
	err := store.Each(nil, func(name string, size int64) error {
		set.Add(name, size)
		return nil
	})
	set.Sort()
	return set.Find, err
}
