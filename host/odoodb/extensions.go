package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// odooExtensions are those that Odoo and its modules use and that give a role
// no rights outside of its database. As administrator odpm creates these only,
// and what somebody has asked for by name: the archive is not trusted to choose.
var odooExtensions = []string{
	"pg_trgm", "unaccent", "vector", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch",
	"hstore", "intarray", "ltree", "pgcrypto", "tablefunc", "uuid-ossp", "pg_stat_statements",
	"postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "postgis_tiger_geocoder", "address_standardizer", "address_standardizer_data_us",
}

// extension is one that a dump has, and the schema that it has it in.
type extension struct{ name, schema string }

// extensionPlan is what is done about a dump's extensions.
type extensionPlan struct {
	// create are made by the administrator before the dump runs, in this order.
	create []extension
	// leave are not made, each with the reason.
	leave map[string]string
	// schemas are made for them; the dump would make them, too late.
	schemas map[string]bool
}

// extensionServer is what a server has.
type extensionServer struct{ available, trusted []string }

func extensionsOf(ctx context.Context, c *cluster.Session, major int) (e extensionServer, err error) {
	if e.available, err = collect(ctx, c, `SELECT name::pg_catalog.text FROM pg_catalog.pg_available_extensions`); err != nil || major < 13 {
		return e, err
	}
	e.trusted, err = collect(ctx, c, `SELECT DISTINCT name::pg_catalog.text FROM pg_catalog.pg_available_extension_versions WHERE trusted`)
	return e, err
}

// plan says what becomes of each extension. asAdmin are those that a person wants
// the administrator to make although they are not Odoo's.
func (e extensionServer) plan(wanted []extension, asAdmin []string) extensionPlan {
	p := extensionPlan{leave: map[string]string{}, schemas: map[string]bool{}}
	for _, x := range wanted {
		if x.schema == "" {
			x.schema = "public"
		}
		switch {
		case x.name == "plpgsql":
		case !slices.Contains(e.available, x.name):
			p.leave[x.name] = "this server does not have it; use a PostgreSQL image that has it if the database needs it"
		case slices.Contains(odooExtensions, x.name), slices.Contains(asAdmin, x.name):
			if !slices.Contains([]string{"public", "pg_catalog", "information_schema"}, x.schema) {
				p.schemas[x.schema] = true
			}
			p.create = append(p.create, x)
		case slices.Contains(e.trusted, x.name):
			// Its owner may make it: left to the dump.
		default:
			p.leave[x.name] = fmt.Sprintf("only a superuser may create it, and Odoo does not use it; to have it created by the administrator all the same: --as-admin %s", x.name)
		}
	}
	return p
}

// checkHead reads the dump up to its first table and plans its extensions.
func (r *restore) checkHead(ctx context.Context) error {
	wanted, err := r.headExtensions()
	if err != nil {
		return err
	}
	has, err := extensionsOf(ctx, r.c, r.plan.serverMajor)
	if err != nil {
		return err
	}
	for _, name := range r.o.AsAdmin {
		if !slices.ContainsFunc(wanted, func(e extension) bool { return e.name == name }) {
			return &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("has no extension %q, which --as-admin names", name)}
		}
	}
	r.plan.extensions = has.plan(wanted, r.o.AsAdmin)
	return nil
}

// maxExtensions is more than any server has.
const maxExtensions = 1000

func (r *restore) headExtensions() ([]extension, error) {
	sql, err := r.a.SQL()
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
			return nil, err
		}
		if it.Kind != sqldump.Statement {
			continue
		}
		if name, schema, ok := sqldump.Extension(it.Text); ok {
			if found = append(found, extension{name, schema}); len(found) > maxExtensions {
				return nil, &archive.Error{Path: r.a.Path, Why: fmt.Sprintf("wants more than %d PostgreSQL extensions", maxExtensions)}
			}
		}
		if sqldump.CreatesTable(it.Text) {
			return found, nil
		}
	}
}

// extensionGrants let a role use what an extension has for the rows of the
// database: tables that a dump keeps the rows of (PostGIS' own SRIDs, its
// topologies), its schemas, its foreign-data wrappers. $1 is the extension.
const extensionGrants = `SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char"
		THEN pg_catalog.format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %I.%I TO ', n.nspname, c.relname)
		ELSE pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %I.%I TO ', n.nspname, c.relname) END
	FROM pg_catalog.pg_extension e CROSS JOIN LATERAL pg_catalog.unnest(e.extconfig) AS config
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) config.config
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name
UNION ALL
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
	if len(r.plan.extensions.create) == 0 {
		return nil
	}
	c, err := r.s.admin(ctx, r.journal.New)
	if err != nil {
		return err
	}
	defer closeConn(c)
	roles := ident(r.journal.New) + ", " + ident(r.s.AppRole)
	for schema := range r.plan.extensions.schemas {
		if _, err := c.Exec(ctx, `ALTER SCHEMA `+ident(schema)+` OWNER TO `+ident(r.journal.New)); err != nil {
			return err
		}
	}
	for _, e := range r.plan.extensions.create {
		grants, err := collect(ctx, c, extensionGrants, e.name)
		if err != nil {
			return err
		}
		for _, grant := range grants {
			if _, err := c.Exec(ctx, grant+roles); err != nil {
				return fmt.Errorf("extension %q: %w", e.name, err)
			}
		}
	}
	return nil
}
