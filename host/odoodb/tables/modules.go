package tables

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// notOdooError is a database without Odoo's tables.
type notOdooError struct{ database string }

func (e *notOdooError) Error() string {
	return fmt.Sprintf("database %q is not an Odoo database (the module base is not installed in it); to initialise it: odpm -d %s -i base", e.database, e.database)
}

// NotOdoo is the error of a database without Odoo's tables.
func NotOdoo(database string) error { return &notOdooError{database} }

// IsNotOdoo says whether the work failed because the database has no Odoo in it.
func IsNotOdoo(err error) bool {
	var e *notOdooError
	return errors.As(err, &e)
}

// moduleColumns are module's.
var moduleColumns = []string{"name", "state", "latest_version"}

// Module is a row of ir_module_module.
type Module struct{ Name, State, Version string }

// Installed: in Odoo's registry, and not only on its list.
func (m Module) Installed() bool {
	return m.State == "installed" || m.State == "to upgrade" || m.State == "to remove"
}

// Modules reads ir_module_module; a database without it is IsNotOdoo.
func Modules(ctx context.Context, c *pgx.Conn, database string) ([]Module, error) {
	names := moduleColumns
	cols, err := Columns(ctx, c, "ir_module_module")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !cols[n] {
			return nil, NotOdoo(database)
		}
	}
	var all []Module
	err = CopyOut(ctx, c, "ir_module_module", names, func(v []string) { all = append(all, Module{v[0], v[1], v[2]}) })
	return all, err
}

// BaseVersion is the version of the installed module base, "18.0.1.3".
func BaseVersion(ctx context.Context, c *pgx.Conn, database string) (string, error) {
	all, err := Modules(ctx, c, database)
	if err != nil {
		return "", err
	}
	return BaseOf(all, database)
}

// BaseAtOnce is BaseVersion in one statement, for a list of hundreds of
// databases: a new session pays for every catalog that it looks into. It takes
// an ordinary table with the columns that Odoo's has; what else there is ends in
// an error of the server's (COPY takes no view either), and BaseVersion looks
// closer.
func BaseAtOnce(ctx context.Context, c *pgx.Conn, database string) (string, error) {
	var all []Module
	rows := sqldump.NewRows(moduleColumns, moduleColumns, func(v []string) {
		if v[0] == "base" {
			all = append(all, Module{v[0], v[1], v[2]})
		}
	}).From("base")
	if _, err := c.PgConn().CopyTo(ctx, rows, `COPY public.ir_module_module (`+strings.Join(moduleColumns, ", ")+`) TO STDOUT`); err != nil {
		return "", err
	}
	return BaseOf(all, database)
}

// BaseOf is BaseVersion of modules that have been read.
func BaseOf(all []Module, database string) (string, error) {
	for _, m := range all {
		if m.Name == "base" && m.Installed() {
			return m.Version, nil
		}
	}
	return "", NotOdoo(database)
}

// versionMajor reads "18.0.1.3", "saas~17.4.1.3" and "saas-18.2".
var versionMajor = regexp.MustCompile(`^(?:saas[~-])?([0-9]+)\.`)

// MajorOf is the Odoo version that a module's version begins with, 0 for none.
func MajorOf(version string) int {
	m := versionMajor.FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// OdooMajor is the Odoo version of a database.
func OdooMajor(ctx context.Context, c *pgx.Conn, database string) (int, error) {
	v, err := BaseVersion(ctx, c, database)
	if err != nil {
		return 0, err
	}
	return namedMajor(v, database)
}

func namedMajor(v, database string) (int, error) {
	if n := MajorOf(v); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("database %q: the module base has version %q, which is not an Odoo version", database, v)
}

// series reads the Odoo version off a module's version: "18.0.1.3" is a module
// of 18.0, "saas~17.4.1.3" and "saas-17.4.1.3" one of saas~17.4.
var series = regexp.MustCompile(`^(saas[~-])?([0-9]+\.[0-9]+)`)

// SeriesOf is "18.0" or "saas~17.4" of a module's version, "" for none.
func SeriesOf(version string) string {
	m := series.FindStringSubmatch(version)
	if m == nil {
		return ""
	}
	if m[1] != "" {
		return "saas~" + m[2]
	}
	return m[2]
}
