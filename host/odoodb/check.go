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

// databaseFacts asks a restored database what verify reads in a dump.
func databaseFacts(ctx context.Context, c *pgx.Conn, a *archive.Archive) (facts, error) {
	said := newContent()
	said.stored.has = a.Has
	for _, table := range []string{modulesTable, attachments} {
		names := wantedColumns[table]
		cols, err := columns(ctx, c, table)
		if err != nil {
			return facts{}, err
		}
		if slices.ContainsFunc(names, func(n string) bool { return !cols[n] }) {
			continue
		}
		if err := copyOut(ctx, c, table, names, func(values []string) { said.row(table, values) }); err != nil {
			return facts{}, err
		}
	}
	return said.facts()
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

// storedFiles are the file store names that a database's attachments have.
func storedFiles(ctx context.Context, c *pgx.Conn) ([]string, error) {
	cols, err := columns(ctx, c, "ir_attachment")
	if err != nil || !cols["store_fname"] {
		return nil, err
	}
	var names []string
	err = copyOut(ctx, c, "ir_attachment", []string{"store_fname"}, func(v []string) {
		if v[0] != "" {
			names = append(names, v[0])
		}
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// missingFiles are those names that have no file of Odoo's in a file store. A
// name that leads out of it is missing whatever is there.
func missingFiles(names []string, store *filestore.Store) []string {
	var missing []string
	for _, n := range names {
		if _, err := store.Size(n); err != nil {
			missing = append(missing, n)
		}
	}
	return missing
}
