package restore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// geography are extensions that keep rows of the database's own in their tables, as
// PostGIS does: SRIDs, and in a schema of its own topologies with a sequence.
var geography = map[string]string{
	"postgis.control":          "default_version = '1.0'\nrelocatable = false\n",
	"postgis_topology.control": "default_version = '1.0'\nrelocatable = false\nschema = topology\nrequires = 'postgis'\n",
	"postgis--1.0.sql": `CREATE TABLE @extschema@.spatial_ref_sys (srid integer PRIMARY KEY, auth_name text);
INSERT INTO @extschema@.spatial_ref_sys VALUES (4326, 'EPSG');
GRANT SELECT ON @extschema@.spatial_ref_sys TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.spatial_ref_sys', 'WHERE srid > 900000');
CREATE DOMAIN @extschema@.geometry AS text;`,
	// Its script goes by the search_path that the session began with, as PostGIS 3's
	// AddToSearchPath does.
	"postgis_topology--1.0.sql": `DO $$ DECLARE path text; BEGIN
	SELECT reset_val INTO path FROM pg_catalog.pg_settings WHERE name = 'search_path';
	IF path NOT LIKE '%topology%' THEN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET search_path = ' || path || ', topology'; END IF;
	EXECUTE 'SET search_path = ' || path || ', topology';
END $$;
CREATE FUNCTION topology.area(geometry) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE topology.topology (id serial PRIMARY KEY, name text);
SELECT pg_catalog.pg_extension_config_dump('topology.topology', '');`,
}

// TestExtensionsWithRows: an extension's tables are the administrator's, and the
// rows that the database has in them are restored all the same. Before, COPY ended
// with permission denied, and an extension in another schema than public was left
// to a role that may not create it.
func TestExtensionsWithRows(t *testing.T) {
	s, _, _ := odoodbtest.LegacyServer(t, 18, "")
	dir, err := os.MkdirTemp("", "odpm-extensions-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{dir, filepath.Join(dir, "extension")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range geography {
		if err := os.WriteFile(filepath.Join(dir, "extension", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER ROLE postgres SET extension_control_path = '`+dir+`:$system'`)
	for _, schema := range []string{"public", "gis"} {
		odoodbtest.OldOdoo(t, s, schema, "18.0.1.3")
		odoodbtest.MustAdmin(t, s, schema, `CREATE SCHEMA IF NOT EXISTS `+schema, `GRANT USAGE ON SCHEMA `+schema+` TO odoo`, `CREATE EXTENSION postgis SCHEMA `+schema, `ALTER DATABASE `+schema+` SET search_path = "$user", public, gis`)
		odoodbtest.MustAdmin(t, s, schema, `CREATE EXTENSION postgis_topology`,
			`INSERT INTO `+schema+`.spatial_ref_sys VALUES (990001, 'ours')`, `INSERT INTO topology.topology (name) VALUES ('roads')`,
			`CREATE TABLE public.places (at `+schema+`.geometry)`, `ALTER TABLE public.places OWNER TO odoo`, `CREATE PUBLICATION everything FOR ALL TABLES`)
		file := filepath.Join(t.TempDir(), "a.zip")
		if _, err := backup.Run(ctx, s, backup.Options{Database: schema, File: file}); err != nil {
			t.Fatal(err)
		}
		// Their rows, and what was left out, are no reason not to compare the rest.
		trial, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: file}})
		if err != nil || !trial.RowsCompared || len(trial.LeftOut) != 1 || trial.Rows == 0 || trial.Rows != trial.Verify.Rows-2 {
			t.Errorf("%v %+v", err, trial)
		}
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back " + schema})
		if err != nil || len(rep.LeftOut) != 1 {
			t.Fatalf("%v %v", rep.LeftOut, err)
		}
		odoodbtest.MustApp(t, s, "back "+schema, `INSERT INTO topology.topology (name) VALUES ('new')`, `INSERT INTO `+schema+`.spatial_ref_sys VALUES (990002, 'new')`)
		if got := odoodbtest.Value[string](t, s, "back "+schema, `SELECT (SELECT string_agg(srid::text, ' ' ORDER BY srid) FROM `+schema+`.spatial_ref_sys) || ' ' || (SELECT string_agg(id || name, ' ' ORDER BY id) FROM topology.topology)`); got != "4326 990001 990002 1roads 2new" {
			t.Errorf("%s: %s", schema, got)
		}
	}
	odoodbtest.NoLeftovers(t, s)
}
