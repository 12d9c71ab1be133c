// Package neutralize makes a copy of a production database harmless, gives it an identity
// of its own, and counts what is still active in it.
package neutralize

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
)

// WithOdoo runs Odoo's own `odoo neutralize` on a database, in the
// project's image. modules are the database's installed ones: the function
// proves first that all of them are on the image's path, since Odoo skips the
// ones it cannot find without a word.
type WithOdoo func(ctx context.Context, database string, modules []string) error

// Since is the first version with a neutralisation of its own.
const Since = 16

// measure is one thing that a copy of a production database must not do. It
// applies where the table has all the columns.
type measure struct {
	table   string
	columns []string
	sql     string
}

// measures is the list for versions before 16, after what Odoo's own command does
// from 16 on: nothing is sent, fetched, booked or paid by a copy. A column that a
// version or a module does not have is passed over; what then cannot be made
// harmless, Unreachable names.
var measures = []measure{
	// NOT EXISTS: a res_id that is NULL would make NOT IN spare every cron.
	{"ir_cron", []string{"active"}, `UPDATE public.ir_cron c SET active = false WHERE active AND NOT EXISTS
		(SELECT FROM public.ir_model_data d WHERE d.module = 'base' AND d.name = 'autovacuum_job' AND d.model = 'ir.cron' AND d.res_id = c.id)`},
	{"mail_template", []string{"mail_server_id"}, `UPDATE public.mail_template SET mail_server_id = NULL WHERE mail_server_id IS NOT NULL`},
	{"ir_mail_server", []string{"active"}, `UPDATE public.ir_mail_server SET active = false WHERE active`},
	{"fetchmail_server", []string{"active"}, `UPDATE public.fetchmail_server SET active = false WHERE active`},
	{"payment_acquirer", []string{"state"}, `UPDATE public.payment_acquirer SET state = 'disabled' WHERE state <> 'disabled'`},
	{"payment_acquirer", []string{"environment"}, `UPDATE public.payment_acquirer SET environment = 'test' WHERE environment <> 'test'`},
	{"payment_acquirer", []string{"environment", "website_published"}, `UPDATE public.payment_acquirer SET website_published = false WHERE website_published`},
	{"delivery_carrier", []string{"prod_environment"}, `UPDATE public.delivery_carrier SET prod_environment = false WHERE prod_environment`},
	{"delivery_carrier", []string{"active", "delivery_type"}, `UPDATE public.delivery_carrier SET active = false WHERE delivery_type NOT IN ('fixed', 'base_on_rule')`},
	{"auth_oauth_provider", []string{"enabled"}, `UPDATE public.auth_oauth_provider SET enabled = false WHERE enabled`},
	{"iap_account", []string{"account_token"}, `UPDATE public.iap_account SET account_token = account_token || '+disabled' WHERE account_token NOT LIKE '%+disabled'`},
	{"res_users", []string{"google_calendar_rtoken", "google_calendar_token"}, `UPDATE public.res_users SET google_calendar_rtoken = NULL, google_calendar_token = NULL WHERE google_calendar_rtoken IS NOT NULL OR google_calendar_token IS NOT NULL`},
	{"google_calendar_credentials", []string{"calendar_rtoken", "calendar_token"}, `UPDATE public.google_calendar_credentials SET calendar_rtoken = NULL, calendar_token = NULL`},
	{"res_users", []string{"microsoft_calendar_rtoken", "microsoft_calendar_token"}, `UPDATE public.res_users SET microsoft_calendar_rtoken = NULL, microsoft_calendar_token = NULL WHERE microsoft_calendar_rtoken IS NOT NULL OR microsoft_calendar_token IS NOT NULL`},
	{"pos_payment_method", []string{"adyen_test_mode"}, `UPDATE public.pos_payment_method SET adyen_test_mode = true`},
	{"res_company", []string{"l10n_mx_edi_pac_test_env"}, `UPDATE public.res_company SET l10n_mx_edi_pac_test_env = true`},
	{"res_company", []string{"l10n_es_edi_test_env"}, `UPDATE public.res_company SET l10n_es_edi_test_env = true`},
	{"res_company", []string{"l10n_ar_afip_ws_environment"}, `UPDATE public.res_company SET l10n_ar_afip_ws_environment = 'testing' WHERE l10n_ar_afip_ws_environment IS NOT NULL`},
	{"ir_config_parameter", []string{"key", "value"}, `INSERT INTO public.ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true') ON CONFLICT (key) DO UPDATE SET value = 'true'`},
}

// noMailServer is the row of ir_mail_server without which Odoo would use
// smtp_server of odoo.conf. smtp_authentication is Odoo 15's, and NOT NULL.
var noMailServer = map[string]string{
	"name": `'neutralized: no mail leaves this copy'`, "smtp_host": `'invalid'`, "smtp_port": `1025`, "smtp_encryption": `'none'`,
	"smtp_authentication": `'login'`, "active": `true`,
}

// insertNoMailServer adds that row, with a value for whatever column a module has
// made NOT NULL: another server's, else the empty one of its type. Without
// smtp_host and active there is no such row; Unreachable says so.
func insertNoMailServer(ctx context.Context, tx pgx.Tx) error {
	cols, err := tables.Columns(ctx, tx, "ir_mail_server")
	if err != nil || !cols["smtp_host"] || !cols["active"] {
		return err
	}
	names, values := []string{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(noMailServer)) {
		if cols[name] {
			names, values = append(names, quote.Ident(name)), append(values, noMailServer[name])
		}
	}
	rows, err := tx.Query(ctx, `SELECT a.attname::pg_catalog.text, CASE t.typcategory
			WHEN 'S' THEN pg_catalog.quote_literal(''::pg_catalog.text) WHEN 'N' THEN '0' WHEN 'B' THEN 'false' WHEN 'D' THEN 'pg_catalog.now()' ELSE 'NULL' END
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
		WHERE a.attrelid OPERATOR(pg_catalog.=) 'public.ir_mail_server'::pg_catalog.regclass::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
		AND a.attnotnull AND NOT a.atthasdef AND NOT a.attisdropped AND a.attidentity OPERATOR(pg_catalog.=) ''::pg_catalog."char"`)
	if err != nil {
		return err
	}
	var name, empty string
	_, err = pgx.ForEachRow(rows, []any{&name, &empty}, func() error {
		if noMailServer[name] == "" {
			names = append(names, quote.Ident(name))
			values = append(values, `coalesce((SELECT `+quote.Ident(name)+` FROM public.ir_mail_server LIMIT 1), `+empty+`)`)
		}
		return nil
	})
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO public.ir_mail_server (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(values, ", ")+`)`)
	}
	if err != nil {
		return fmt.Errorf("neutralize ir_mail_server: %w", err)
	}
	return nil
}

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
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return applyMeasures(ctx, tx) })
}

// ByOdoo has Odoo make a restored copy harmless before anybody can see it.
func ByOdoo(ctx context.Context, s *server.Server, database string, major int, modules []string, withOdoo WithOdoo) error {
	if withOdoo == nil {
		return fmt.Errorf("database of Odoo %d: neutralizing needs Odoo's own command, and there is no Odoo to run it", major)
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

func applyMeasures(ctx context.Context, tx pgx.Tx) error {
	known := map[string]map[string]bool{}
	for _, m := range measures {
		if known[m.table] == nil {
			cols, err := tables.Columns(ctx, tx, m.table)
			if err != nil {
				return err
			}
			known[m.table] = cols
		}
		if !hasAll(known[m.table], m.columns) {
			continue
		}
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return fmt.Errorf("neutralize %s: %w", m.table, err)
		}
	}
	return insertNoMailServer(ctx, tx)
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
		return fmt.Errorf("reset %s: %w", key, err)
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
