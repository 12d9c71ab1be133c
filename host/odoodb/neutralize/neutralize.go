// Package neutralize makes a copy of a production database harmless, gives it an identity
// of its own, and counts what is still active in it.
package neutralize

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// WithOdoo runs Odoo's own `odoo neutralize` on a database, in the
// project's image. modules are the database's installed ones: the function
// proves first that all of them are on the image's path, since Odoo skips the
// ones it cannot find without a word.
type WithOdoo func(ctx context.Context, database string, modules []string) error

// Since is the first version with a neutralisation of its own.
const Since = 16

// Modules are the modules that Odoo's command has to know.
func Modules(all []tables.Module) []string {
	var names []string
	for _, m := range all {
		if m.Installed() {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Tables is for versions that have no such command.
func Tables(ctx context.Context, c *pgx.Conn) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		all, err := readCatalog(ctx, tx)
		if err != nil {
			return err
		}
		for _, step := range []func(context.Context, pgx.Tx, catalog) error{applySettings, applyParameters, noMailLeaves} {
			if err := step(ctx, tx, all); err != nil {
				return fmt.Errorf("neutralize %w", err)
			}
		}
		return nil
	})
}

// ByOdoo has Odoo make a restored copy harmless before anybody can see it.
func ByOdoo(ctx context.Context, s *server.Server, database string, major int, modules []string, withOdoo WithOdoo) error {
	if withOdoo == nil {
		return fmt.Errorf("neutralizing a database of Odoo %d takes Odoo's own command, but there is no Odoo to run it", major)
	}
	if err := withOdoo(ctx, database, modules); err != nil {
		return fmt.Errorf("neutralize with Odoo: %w", err)
	}
	// Odoo's exit code says little; the flag is the last thing it writes.
	c, err := s.App(ctx, database)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	var flag string
	err = c.QueryRow(ctx, `SELECT coalesce(value, '') FROM public.ir_config_parameter WHERE key = 'database.is_neutralized'`).Scan(&flag)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if f := strings.ToLower(flag); f != "true" && f != "t" && f != "1" {
		return errors.New("Odoo's neutralize ended without an error, but the database is not marked as neutralized")
	}
	return nil
}

// ResetIdentity gives a copy its own identity, as Odoo does when it duplicates
// a database: two databases with one uuid are one customer to odoo.com, and
// one secret makes the sessions of either valid in both.
func ResetIdentity(ctx context.Context, c *pgx.Conn, baseURL string) error {
	if baseURL == "" {
		baseURL = "http://localhost:8069"
	}
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		for _, p := range []struct {
			key, value string
			// always: every version has it, so it is made where it is missing.
			always bool
		}{
			{"database.uuid", newUUID(), true},
			{"database.secret", newUUID(), true},
			{"web.base.url", baseURL, true},
			{"base.login_cooldown_after", "10", false},
			{"base.login_cooldown_duration", "60", false},
		} {
			if err := setParameter(ctx, tx, p.key, p.value, p.always); err != nil {
				return err
			}
		}
		var now string
		if err := tx.QueryRow(ctx, `SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'::pg_catalog.text)`).Scan(&now); err != nil {
			return err
		}
		return setParameter(ctx, tx, "database.create_date", now, true)
	})
}

func setParameter(ctx context.Context, tx pgx.Tx, key, value string, always bool) error {
	tag, err := tx.Exec(ctx, `UPDATE public.ir_config_parameter SET value = $2 WHERE key = $1`, key, value)
	if err == nil && tag.RowsAffected() == 0 && always {
		_, err = tx.Exec(ctx, `INSERT INTO public.ir_config_parameter (key, value) VALUES ($1, $2)`, key, value)
	}
	if err != nil {
		return fmt.Errorf("ir_config_parameter %s: %w", key, err)
	}
	return nil
}

// newUUID is a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
