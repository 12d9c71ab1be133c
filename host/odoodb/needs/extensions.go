package needs

import (
	"context"
	"fmt"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// odooExtensions are those that Odoo and its modules use and that give a role
// no rights outside of its database. As administrator odpm creates these only,
// and what somebody has asked for by name: the archive is not trusted to choose.
var odooExtensions = []string{
	"pg_trgm", "unaccent", "vector", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch",
	"hstore", "intarray", "ltree", "pgcrypto", "tablefunc", "uuid-ossp", "pg_stat_statements",
	"postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "postgis_tiger_geocoder", "address_standardizer", "address_standardizer_data_us",
}

// Extension is one that a dump has, and the schema that it has it in.
type Extension struct{ Name, Schema string }

// Plan is what is done about a dump's extensions.
type Plan struct {
	// Create are made by the administrator before the dump runs, in this order.
	Create []Extension
	// Leave are not made, each with the reason.
	Leave map[string]string
	// Schemas are made for them; the dump would make them, too late.
	Schemas map[string]bool
}

// Available is what a server has.
type Available struct{ available, trusted []string }

// AvailableOn asks a server of that major.
func AvailableOn(ctx context.Context, c *cluster.Session, major int) (e Available, err error) {
	if e.available, err = tables.Collect(ctx, c, `SELECT name::pg_catalog.text FROM pg_catalog.pg_available_extensions`); err != nil || major < 13 {
		return e, err
	}
	e.trusted, err = tables.Collect(ctx, c, `SELECT DISTINCT name::pg_catalog.text FROM pg_catalog.pg_available_extension_versions WHERE trusted`)
	return e, err
}

// Plan says what becomes of each extension. asAdmin are those that a person wants
// the administrator to make although they are not Odoo's.
func (e Available) Plan(wanted []Extension, asAdmin []string) Plan {
	p := Plan{Leave: map[string]string{}, Schemas: map[string]bool{}}
	for _, x := range wanted {
		if x.Schema == "" {
			x.Schema = "public"
		}
		switch {
		case x.Name == "plpgsql":
		case !slices.Contains(e.available, x.Name):
			p.Leave[x.Name] = "this server does not have it; use a PostgreSQL image that has it if the database needs it"
		case slices.Contains(odooExtensions, x.Name), slices.Contains(asAdmin, x.Name):
			if !slices.Contains([]string{"public", "pg_catalog", "information_schema"}, x.Schema) {
				p.Schemas[x.Schema] = true
			}
			p.Create = append(p.Create, x)
		case slices.Contains(e.trusted, x.Name):
			// Its owner may make it: left to the dump.
		default:
			p.Leave[x.Name] = fmt.Sprintf("only a superuser may create it, and Odoo does not use it; to have the administrator create it anyway: --as-admin %s", x.Name)
		}
	}
	return p
}

// UsableTablespaces are those that a role may make tables in.
func UsableTablespaces(ctx context.Context, c tables.Querier, role string) (map[string]bool, error) {
	names, err := tables.Collect(ctx, c, `SELECT spcname::pg_catalog.text FROM pg_catalog.pg_tablespace, pg_catalog.pg_roles
		WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND pg_catalog.has_tablespace_privilege(pg_roles.oid, pg_tablespace.oid, 'CREATE'::pg_catalog.text)`, role)
	usable := map[string]bool{"pg_default": true}
	for _, name := range names {
		usable[name] = true
	}
	return usable, err
}
