package neutralize

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// catalog is every column of every table in public that can be written to, by the
// names of table and column. Which of them a database has depends on the version and
// on the modules, so it is asked and never derived from a version's number.
type catalog map[string]map[string]column

type column struct {
	// text and boolean are by the category of the type, so varchar(64) is text.
	text, boolean bool
	notNull       bool
	// empty is a value of the type for a column that takes no NULL, as SQL.
	empty string
	// filled: an INSERT that does not name the column is given a value.
	filled bool
	// distinct is another text for each row, as SQL on t, where a unique index has the
	// column; "" where none has it.
	distinct string
}

func readCatalog(ctx context.Context, tx pgx.Tx) (catalog, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname::pg_catalog.text, a.attname::pg_catalog.text, t.typcategory::pg_catalog.text, a.attnotnull,
			a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
		WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::pg_catalog."char"[])
		AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped AND a.attgenerated OPERATOR(pg_catalog.=) ''::pg_catalog."char"`)
	if err != nil {
		return nil, err
	}
	all := catalog{}
	var table, name, category string
	var notNull, filled bool
	_, err = pgx.ForEachRow(rows, []any{&table, &name, &category, &notNull, &filled}, func() error {
		if all[table] == nil {
			all[table] = map[string]column{}
		}
		col := column{text: category == "S", boolean: category == "B", notNull: notNull, filled: filled, empty: "NULL"}
		switch category {
		case "S":
			col.empty = "''"
		case "N":
			col.empty = "0"
		case "B":
			col.empty = "false"
		case "D":
			col.empty = "pg_catalog.now()"
		}
		all[table][name] = col
		return nil
	})
	if err == nil {
		err = all.readUnique(ctx, tx)
	}
	return all, err
}

// readUnique finds the columns of unique indexes, of their expressions too: the index
// of a constraint has its columns in indkey, and what an expression uses in pg_depend.
func (c catalog) readUnique(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT DISTINCT c.relname::pg_catalog.text, a.attname::pg_catalog.text
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indrelid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
		WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND i.indisunique
		AND (a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[])
			OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
				AND d.objid OPERATOR(pg_catalog.=) i.indexrelid AND d.refobjid OPERATOR(pg_catalog.=) c.oid AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum::pg_catalog.int4))`)
	if err != nil {
		return err
	}
	var table, name string
	_, err = pgx.ForEachRow(rows, []any{&table, &name}, func() error {
		col, ok := c[table][name]
		if !ok {
			return nil
		}
		col.distinct = `t.ctid::text`
		if _, ok := c[table]["id"]; ok {
			col.distinct = `t.id::text`
		}
		c[table][name] = col
		return nil
	})
	return err
}

// each calls f for every column, in the order of the names.
func (c catalog) each(f func(table, name string, col column) error) error {
	for _, table := range slices.Sorted(maps.Keys(c)) {
		for _, name := range slices.Sorted(maps.Keys(c[table])) {
			if err := f(table, name, c[table][name]); err != nil {
				return err
			}
		}
	}
	return nil
}
