package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
)

// checkHead reads the dump up to its first table and plans its extensions.
func (r *restore) checkHead(ctx context.Context) error {
	wanted, err := r.headExtensions()
	if err != nil {
		return err
	}
	has, err := needs.AvailableOn(ctx, r.c, r.plan.serverMajor)
	if err != nil {
		return err
	}
	for _, name := range r.o.AsAdmin {
		if !slices.ContainsFunc(wanted, func(e needs.Extension) bool { return e.Name == name }) {
			return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("has no extension %q, which --as-admin names", name)}
		}
	}
	r.plan.extensions = has.Plan(wanted, r.o.AsAdmin)
	return nil
}

// maxExtensions is more than any server has.
const maxExtensions = 1000

func (r *restore) headExtensions() ([]needs.Extension, error) {
	sql, err := r.a.SQL()
	if err != nil {
		return nil, err
	}
	defer sql.Close()
	var found []needs.Extension
	sc := sqldump.New(sql)
	for {
		it, err := sc.Next()
		if errors.Is(err, io.EOF) || err == nil && it.Kind == sqldump.Copy {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if it.Kind != sqldump.Statement {
			continue
		}
		if name, schema, ok := sqldump.Extension(it.Text); ok {
			if found = append(found, needs.Extension{Name: name, Schema: schema}); len(found) > maxExtensions {
				return nil, &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("needs more than %d PostgreSQL extensions", maxExtensions)}
			}
		}
		if sqldump.CreatesTable(it.Text) {
			return found, nil
		}
	}
}

// extensionGrants let a role use what an extension has for the rows of the
// database: tables that a dump keeps the rows of (PostGIS' own SRIDs, its
// topologies) and the sequences of their columns (that of topologies is not named
// beside its table), its schemas, its foreign-data wrappers. $1 is the extension.
const extensionGrants = `SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char"
		THEN pg_catalog.format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %I.%I TO ', n.nspname, c.relname)
		ELSE pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %I.%I TO ', n.nspname, c.relname) END
	FROM pg_catalog.pg_extension e CROSS JOIN LATERAL pg_catalog.unnest(e.extconfig) AS config
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) config.config
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name
UNION
SELECT pg_catalog.format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %I.%I TO ', n.nspname, c.relname)
	FROM pg_catalog.pg_extension e CROSS JOIN LATERAL pg_catalog.unnest(e.extconfig) AS config
	JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
		AND d.refobjid OPERATOR(pg_catalog.=) config.config AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
		AND d.deptype OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'i']::pg_catalog."char"[])
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid AND c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char"
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name
UNION
SELECT CASE WHEN n.oid IS NOT NULL THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO ', n.nspname)
		ELSE pg_catalog.format('GRANT USAGE ON FOREIGN DATA WRAPPER %I TO ', f.fdwname) END
	FROM pg_catalog.pg_extension e
	JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
		AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
	LEFT JOIN pg_catalog.pg_namespace n ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid AND n.oid OPERATOR(pg_catalog.=) d.objid
	LEFT JOIN pg_catalog.pg_foreign_data_wrapper f ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass::pg_catalog.oid AND f.oid OPERATOR(pg_catalog.=) d.objid
	WHERE e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND (n.oid IS NOT NULL OR f.oid IS NOT NULL)`

// grantExtensions gives the loading role, and the application role after it, what
// extensions have for them. They are the administrator's, and in the original
// often the application role's own.
func (r *restore) grantExtensions(ctx context.Context) error {
	if len(r.plan.extensions.Create) == 0 {
		return nil
	}
	c, err := r.s.Administrator(ctx, r.journal.New)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	roles := quote.Ident(r.journal.New) + ", " + quote.Ident(r.s.AppRole)
	for schema := range r.plan.extensions.Schemas {
		if _, err := c.Exec(ctx, `ALTER SCHEMA `+quote.Ident(schema)+` OWNER TO `+quote.Ident(r.journal.New)); err != nil {
			return err
		}
	}
	for _, e := range r.plan.extensions.Create {
		grants, err := tables.Collect(ctx, c, extensionGrants, e.Name)
		if err != nil {
			return err
		}
		for _, grant := range grants {
			if _, err := c.Exec(ctx, grant+roles); err != nil {
				return fmt.Errorf("extension %q: %w", e.Name, err)
			}
		}
	}
	return nil
}

// configSequences are those of the columns of an extension's tables that a dump keeps
// the rows of, each as a statement that moves it behind the highest row. $1 is the
// extension.
const configSequences = `SELECT pg_catalog.format('SELECT pg_catalog.setval(%L::pg_catalog.regclass, m) FROM (SELECT pg_catalog.max(%I)::bigint AS m FROM ONLY %I.%I) t WHERE m OPERATOR(pg_catalog.>=) (SELECT last_value FROM %I.%I)',
		pg_catalog.format('%I.%I', sn.nspname, s.relname), a.attname, tn.nspname, t.relname, sn.nspname, s.relname)
	FROM pg_catalog.pg_extension e CROSS JOIN LATERAL pg_catalog.unnest(e.extconfig) AS config
	JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) config.config
	JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace
	JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
		AND d.refobjid OPERATOR(pg_catalog.=) t.oid AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
		AND d.deptype OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'i']::pg_catalog."char"[])
	JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid
	JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) d.objid AND s.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char"
	JOIN pg_catalog.pg_namespace sn ON sn.oid OPERATOR(pg_catalog.=) s.relnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND a.atttypid OPERATOR(pg_catalog.=) ANY (ARRAY['int2', 'int4', 'int8']::pg_catalog.regtype[]::pg_catalog.oid[])`

// advanceSequences: pg_dump keeps the rows of PostGIS' topologies and not how far their
// sequence was, so that the next one would get the number of one that is there.
func (r *restore) advanceSequences(ctx context.Context, c *cluster.Session) error {
	for _, e := range r.plan.extensions.Create {
		moves, err := tables.Collect(ctx, c, configSequences, e.Name)
		if err != nil {
			return err
		}
		for _, sql := range moves {
			if _, err := c.Exec(ctx, sql); err != nil {
				return fmt.Errorf("extension %q: %w", e.Name, err)
			}
		}
	}
	return nil
}
