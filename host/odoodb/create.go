package odoodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
)

// CreateOptions steer how an empty database is made.
type CreateOptions struct {
	// Unaccent adds the extension unaccent with its function IMMUTABLE, as
	// odoo.conf's "unaccent = True" needs it: Odoo's own attempt at that fails
	// for a role that is not a superuser, and takes pg_trgm with it.
	Unaccent bool

	// extensions are created beside pg_trgm and unaccent, or in their place.
	extensions []extension
	// tablespace is where the database is put, "" for the server's default.
	tablespace string
}

// existsError is a database that exists already.
type existsError struct{ database string }

func (e *existsError) Error() string { return fmt.Sprintf("database %q exists already", e.database) }

// IsExists says whether Create failed because the database exists.
func IsExists(err error) bool {
	var e *existsError
	return errors.As(err, &e)
}

// Create makes an empty database for Odoo to initialise with -i base: from
// template0, UTF8, collation C, owned by the application role.
func (s *Server) Create(ctx context.Context, database string, o CreateOptions) error {
	if err := checkNew(database); err != nil {
		return err
	}
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return err
	}
	defer closeConn(c)
	if _, err := lookup(ctx, c, database); !IsMissing(err) {
		return cmp.Or[error](err, &existsError{database})
	}
	hidden := hiddenPrefix + token()
	oid, err := s.create(ctx, hidden, database, o)
	if err == nil {
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			for _, change := range []string{`OWNER TO ` + ident(s.AppRole), `IS_TEMPLATE false CONNECTION LIMIT -1`, `RENAME TO ` + ident(database)} {
				if _, err := tx.Exec(ctx, `ALTER DATABASE `+ident(hidden)+` `+change); err != nil {
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
	return errors.Join(err, s.dropAgain(ctx, hidden, oid))
}

// create makes a database under a hidden name, with its extensions, and gives
// its oid; shown is what it is for. It is the administrator's, a template (which
// Odoo neither lists nor runs crons of), and lets nobody in but superusers: the
// scripts of extensions run as one, and must find nothing there that somebody
// else has made.
func (s *Server) create(ctx context.Context, hidden, shown string, o CreateOptions) (oid uint32, err error) {
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return 0, err
	}
	defer closeConn(c)
	sql := `CREATE DATABASE ` + ident(hidden) + ` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' IS_TEMPLATE true CONNECTION LIMIT 0`
	if o.tablespace != "" {
		sql += ` TABLESPACE ` + ident(o.tablespace)
	}
	if err := interlock(ctx, c, hidden); err != nil {
		return 0, err
	}
	if _, err := c.Exec(ctx, sql); err != nil {
		return 0, fmt.Errorf("create database %q: %w", shown, err)
	}
	info, err := lookup(ctx, c, hidden)
	if err == nil {
		err = s.addExtensions(ctx, hidden, o)
	}
	return info.OID, err
}

// dropAgain has a connection of its own: a cancelled context has closed the
// other one.
func (s *Server) dropAgain(ctx context.Context, database string, oid uint32) error {
	if oid == 0 {
		return nil
	}
	undo, cancel := detached(ctx)
	defer cancel()
	c, err := s.admin(undo, maintenance)
	if err != nil {
		return err
	}
	defer closeConn(c)
	return dropHidden(undo, c, database, oid)
}

// addExtensions creates, as administrator, what the application role could not
// create everywhere (12) or could not change afterwards (unaccent).
func (s *Server) addExtensions(ctx context.Context, database string, o CreateOptions) error {
	c, err := s.admin(ctx, database)
	if err != nil {
		return err
	}
	defer closeConn(c)
	want := slices.Clone(o.extensions)
	always := []string{"pg_trgm"}
	if o.Unaccent {
		always = append(always, "unaccent")
	}
	for _, name := range always {
		if !slices.ContainsFunc(want, func(e extension) bool { return e.name == name }) {
			want = append(want, extension{name, "public"})
		}
	}
	for _, e := range want {
		if e.schema != "pg_catalog" { // where nobody may make one
			if _, err := c.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+ident(e.schema)); err != nil {
				return extensionError(e.name, err)
			}
		}
		if _, err := c.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS `+ident(e.name)+` WITH SCHEMA `+ident(e.schema)+` CASCADE`); err != nil {
			return extensionError(e.name, err)
		}
		if e.name == "unaccent" {
			if _, err := c.Exec(ctx, `ALTER FUNCTION `+ident(e.schema)+`.unaccent(pg_catalog.text) IMMUTABLE`); err != nil {
				return fmt.Errorf("make unaccent(text) IMMUTABLE: %w", err)
			}
		}
	}
	return nil
}

func extensionError(ext string, err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "58P01" || pgErr.Code == "0A000") {
		return fmt.Errorf("the PostgreSQL server has no extension %q; use an image that has it (postgresql-contrib, or the extension's own package): %w", ext, err)
	}
	return fmt.Errorf("create extension %q: %w", ext, err)
}

// dropHidden drops a database of odpm's own making, if it is the one with this
// oid. One that is gone by then is gone: a drop that a killed run sent may end
// only now.
func dropHidden(ctx context.Context, c *cluster.Session, database string, oid uint32) error {
	info, err := lookup(ctx, c, database)
	if IsMissing(err) || err == nil && oid != 0 && info.OID != oid {
		return nil
	}
	if err != nil {
		return err
	}
	fault("dropping")
	if info.Template {
		_, err = c.Exec(ctx, `ALTER DATABASE `+ident(database)+` IS_TEMPLATE false`)
	}
	if err == nil {
		_, err = dropDatabase(ctx, c, database, info)
	}
	if err != nil {
		if name, lerr := byOID(ctx, c, info.OID); lerr == nil && name == "" {
			return nil
		}
	}
	return err
}
