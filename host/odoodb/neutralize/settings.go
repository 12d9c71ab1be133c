package neutralize

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/quote"
)

// setting is a value that a column has in a copy. It applies where the table has the
// column. NULL is the empty value in a column that takes no NULL, and a text that no
// two rows have in common where they have to differ. where is a
// condition on t, and needs the columns that it names.
type setting struct {
	table, column, value string
	where                string
	needs                []string
}

// settings are for versions before 16, after what neutralize.sql of Odoo's modules
// does from 16 on: nothing is sent, fetched, booked or paid by a copy. The columns are
// those of Odoo 11 to 15; docs/reference/restore.md says where they are defined. What
// cannot be made harmless that way, Unreachable names.
var settings = []setting{
	// NOT EXISTS: a res_id that is NULL would make NOT IN spare every cron.
	{"ir_cron", "active", `false`, `NOT EXISTS (SELECT FROM public.ir_model_data d WHERE d.module = 'base' AND d.name = 'autovacuum_job' AND d.model = 'ir.cron' AND d.res_id = t.id)`, nil},
	{"ir_mail_server", "active", `false`, ``, nil},
	{"fetchmail_server", "active", `false`, ``, nil},
	{"payment_acquirer", "state", `'disabled'`, `t.state <> 'test'`, nil},
	{"payment_acquirer", "environment", `'test'`, ``, nil},
	// Before 13 this publishes an acquirer; there is no state.
	{"payment_acquirer", "website_published", `false`, ``, []string{"environment"}},
	{"delivery_carrier", "active", `false`, `t.delivery_type NOT IN ('fixed', 'base_on_rule')`, []string{"delivery_type"}},
	{"delivery_carrier", "mondialrelay_brand", `'BDTEST  '`, ``, nil},
	{"auth_oauth_provider", "enabled", `false`, ``, nil},
	{"iap_account", "account_token", `t.account_token || '+disabled'`, `t.account_token NOT LIKE '%+disabled'`, nil},
	{"account_online_link", "client_id", `'duplicate'`, ``, nil},
	{"account_online_link", "provider_data", `NULL`, ``, nil},
	{"res_users", "google_calendar_rtoken", `NULL`, ``, nil},
	{"res_users", "google_calendar_token", `NULL`, ``, nil},
	{"google_calendar_credentials", "calendar_rtoken", `NULL`, ``, nil},
	{"google_calendar_credentials", "calendar_token", `NULL`, ``, nil},
	{"google_calendar_credentials", "synchronization_stopped", `true`, ``, nil},
	{"res_users", "microsoft_calendar_rtoken", `NULL`, ``, nil},
	{"res_users", "microsoft_calendar_token", `NULL`, ``, nil},
	{"res_users", "microsoft_synchronization_stopped", `true`, ``, nil},
	{"res_company", "l10n_ar_afip_ws_environment", `'testing'`, ``, nil},
	{"res_company", "l10n_cl_dte_service_provider", `'SIITEST'`, `t.l10n_cl_dte_service_provider IS NOT NULL`, nil},
	{"res_company", "l10n_ke_cu_proxy_address", `NULL`, ``, nil},
	{"res_company", "l10n_sa_api_mode", `'sandbox'`, ``, nil},
	{"res_company", "avalara_environment", `'sandbox'`, ``, nil},
	// A link to the original's own domain would lead a tester into production.
	{"website", "domain", `NULL`, ``, nil},
	{"website", "cdn_activated", `false`, ``, nil},
	{"website", "robots_txt", "E'User-agent: *\\nDisallow: /'", ``, nil},
}

// modes are what modules call the switch between a service's test and its
// production, whichever module it is: e-invoicing, carriers, payment terminals.
var modes = []struct {
	name  *regexp.Regexp
	value string
}{
	{regexp.MustCompile(`(^|_)((test|demo|staging|sandbox)_(mode|env|environment)|sandbox)$`), `true`},
	{regexp.MustCompile(`(^|_)(prod|production|live)_(mode|env|environment)$`), `false`},
}

// secrets are a copy's way into an account at a service. A test mode alone does not
// stop one: a live key charges in it as well.
var secrets = []struct {
	tables []string
	name   *regexp.Regexp
}{
	{[]string{"payment_acquirer", "delivery_carrier", "social_account", "amazon_account", "account_online_link"},
		regexp.MustCompile(`secret|passw|key|token|pspid|userid|login|username|merchant|salt|account`)},
	{[]string{"res_company"}, regexp.MustCompile(`secret|passw|passphrase|token|api_key|api_id|private_key`)},
}

// noSecrets are columns that a name makes look like one.
var noSecrets = []string{"save_token"}

func applySettings(ctx context.Context, tx pgx.Tx, all catalog) error {
	for _, s := range settings {
		col, ok := all[s.table][s.column]
		if !ok || slices.ContainsFunc(s.needs, func(n string) bool { _, ok := all[s.table][n]; return !ok }) {
			continue
		}
		if err := set(ctx, tx, s.table, s.column, col, s.value, s.where); err != nil {
			return err
		}
	}
	return all.each(func(table, name string, col column) error {
		for _, m := range modes {
			if col.boolean && m.name.MatchString(name) {
				return set(ctx, tx, table, name, col, m.value, "")
			}
		}
		for _, s := range secrets {
			if col.text && slices.Contains(s.tables, table) && s.name.MatchString(name) && !slices.Contains(noSecrets, name) && !isSet(table, name) {
				return set(ctx, tx, table, name, col, `NULL`, "")
			}
		}
		return nil
	})
}

// isSet says whether a column has its own entry in settings.
func isSet(table, name string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.table == table && s.column == name })
}

// set leaves rows alone that have the value, so that a large table is not written anew.
func set(ctx context.Context, tx pgx.Tx, table, name string, col column, value, where string) error {
	switch different := col.text && col.distinct != ""; {
	case value == `NULL` && !col.notNull:
	case different && value == `NULL`:
		value = col.distinct
	case different && strings.HasPrefix(value, "'"):
		value += ` || ` + col.distinct
	case value == `NULL`:
		value = col.empty
	}
	c := quote.Ident(name)
	sql := `UPDATE ` + quote.Ident("public", table) + ` t SET ` + c + ` = ` + value + ` WHERE t.` + c + ` IS DISTINCT FROM ` + value
	if where != "" {
		sql += ` AND ` + where
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s.%s: %w", table, name, err)
	}
	return nil
}
