// Package create makes empty databases: for Odoo to initialise, and hidden ones to
// restore into.
package create

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
)

// Options steer how an empty database is made.
type Options struct {
	// Unaccent adds the extension unaccent with its function IMMUTABLE, as
	// odoo.conf's "unaccent = True" needs it: Odoo's own attempt at that fails
	// for a role that is not a superuser, and takes pg_trgm with it.
	Unaccent bool

	// Extensions are created beside pg_trgm and unaccent, or in their place.
	Extensions []needs.Extension
	// Tablespace is where the database is put, "" for the server's default.
	Tablespace string
}

// existsError is a database that already exists.
type existsError struct{ database string }

func (e *existsError) Error() string { return fmt.Sprintf("database %q already exists", e.database) }

// IsExists says whether Empty failed because the database exists.
func IsExists(err error) bool {
	var e *existsError
	return errors.As(err, &e)
}

// Empty makes an empty database for Odoo to initialise with -i base: from
// template0, UTF8, collation C, owned by the application role.
func Empty(ctx context.Context, s *server.Server, database string, o Options) error {
	if err := server.CheckNewName(database); err != nil {
		return err
	}
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	if info, err := server.Lookup(ctx, c, database); !server.IsMissing(err) {
		if info.Invalid {
			return server.Invalid(database)
		}
		return cmp.Or[error](err, &existsError{database})
	}
	hidden := server.HiddenPrefix + server.Token()
	oid, err := Hidden(ctx, s, hidden, database, o)
	if err == nil {
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			for _, change := range []string{`OWNER TO ` + quote.Ident(s.AppRole), `IS_TEMPLATE false CONNECTION LIMIT -1`, `RENAME TO ` + quote.Ident(database)} {
				if _, err := tx.Exec(ctx, `ALTER DATABASE `+quote.Ident(hidden)+` `+change); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pgErr) && pgErr.Code == "42P04":
		err = &existsError{database}
	}
	return errors.Join(err, dropAgain(ctx, s, hidden, oid))
}

// Hidden makes a database under a hidden name, with its extensions, and gives
// its oid; shown is what it is for. It is the administrator's, a template (which
// Odoo neither lists nor runs crons of), and lets nobody in but superusers: the
// scripts of extensions run as one, and must find nothing there that somebody
// else has made.
func Hidden(ctx context.Context, s *server.Server, hidden, shown string, o Options) (oid uint32, err error) {
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return 0, err
	}
	defer engine.Close(c)
	sql := `CREATE DATABASE ` + quote.Ident(hidden) + ` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' IS_TEMPLATE true CONNECTION LIMIT 0`
	if o.Tablespace != "" {
		sql += ` TABLESPACE ` + quote.Ident(o.Tablespace)
	}
	if err := server.Interlock(ctx, c, hidden); err != nil {
		return 0, err
	}
	if _, err := c.Exec(ctx, sql); err != nil {
		return 0, fmt.Errorf("create database %q: %w", shown, err)
	}
	info, err := server.Lookup(ctx, c, hidden)
	if err == nil {
		err = addExtensions(ctx, s, hidden, o)
	}
	return info.OID, err
}

// dropAgain has a connection of its own: a cancelled context has closed the
// other one.
func dropAgain(ctx context.Context, s *server.Server, database string, oid uint32) error {
	if oid == 0 {
		return nil
	}
	undo, cancel := server.Detached(ctx)
	defer cancel()
	c, err := s.Administrator(undo, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	return drop.Hidden(undo, c, database, oid)
}

// addExtensions creates, as administrator, what the application role could not
// create everywhere (12) or could not change afterwards (unaccent).
func addExtensions(ctx context.Context, s *server.Server, database string, o Options) error {
	c, err := s.Administrator(ctx, database)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	want := slices.Clone(o.Extensions)
	always := []string{"pg_trgm"}
	if o.Unaccent {
		always = append(always, "unaccent")
	}
	for _, name := range always {
		if !slices.ContainsFunc(want, func(e needs.Extension) bool { return e.Name == name }) {
			want = append(want, needs.Extension{Name: name, Schema: "public"})
		}
	}
	if len(o.Extensions) > 0 {
		path, err := scriptPath(ctx, c, want)
		if err != nil {
			return err
		}
		session, err := c.WithPath(ctx, path)
		if err != nil {
			return fmt.Errorf("log in to create extensions: %w", err)
		}
		defer engine.Close(session)
		c = session
	}
	for _, e := range want {
		if e.Schema != "pg_catalog" { // where nobody may make one
			if _, err := c.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+quote.Ident(e.Schema)); err != nil {
				return extensionError(e.Name, err)
			}
		}
		if _, err := c.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS `+quote.Ident(e.Name)+` WITH SCHEMA `+quote.Ident(e.Schema)+` CASCADE`); err != nil {
			return extensionError(e.Name, err)
		}
		if e.Name == "unaccent" {
			if _, err := c.Exec(ctx, `ALTER FUNCTION `+quote.Ident(e.Schema)+`.unaccent(pg_catalog.text) IMMUTABLE`); err != nil {
				return fmt.Errorf("make unaccent(text) IMMUTABLE: %w", err)
			}
		}
	}
	return nil
}

// scriptPath is the search_path that scripts of extensions expect a session to have
// begun with: PostGIS' topology takes it, adds its own schema, and finds the type
// geometry by it. A schema that the extension itself has chosen is its script's affair.
func scriptPath(ctx context.Context, c *cluster.Session, want []needs.Extension) (string, error) {
	path := `"$user", public`
	for _, e := range want {
		fixed, err := tables.Collect(ctx, c, `SELECT schema::pg_catalog.text FROM pg_catalog.pg_available_extension_versions
			WHERE name OPERATOR(pg_catalog.=) $1::pg_catalog.name AND schema IS NOT NULL`, e.Name)
		if err != nil {
			return "", err
		}
		if q := quote.Ident(e.Schema); e.Schema != "public" && e.Schema != "pg_catalog" && !slices.Contains(fixed, e.Schema) && !strings.Contains(path, q) {
			path += ", " + q
		}
	}
	return path, nil
}

func extensionError(ext string, err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "58P01" || pgErr.Code == "0A000") {
		return fmt.Errorf("the PostgreSQL server has no extension %q; use an image that has it (postgresql-contrib, or the extension's own package): %w", ext, err)
	}
	return fmt.Errorf("create extension %q: %w", ext, err)
}
