package restore_test

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// fieldOf is a column as Odoo makes it from its version since until the last: the
// definitions are named in docs/reference/restore.md. live is what it has in
// production, and copy, for the versions that odpm neutralizes itself, in a copy.
type fieldOf struct {
	table, column string
	since, until  int
	live, copy    string
}

var fieldsOf = []fieldOf{
	{"ir_cron", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"ir_cron", "ir_actions_server_id int NOT NULL", 11, 19, "1", ""},
	{"ir_cron", "cron_name varchar", 11, 19, "", ""},
	{"ir_cron", "user_id int NOT NULL", 11, 19, "1", ""},
	{"ir_cron", "active boolean", 11, 19, "true", ""},
	{"ir_cron", "interval_number int", 11, 17, "1", ""},
	{"ir_cron", "interval_number int NOT NULL CHECK (interval_number > 0)", 18, 19, "1", ""},
	{"ir_cron", "interval_type varchar", 11, 17, "", ""},
	{"ir_cron", "interval_type varchar NOT NULL", 18, 19, "days", ""},
	{"ir_cron", "numbercall int", 11, 17, "", ""},
	{"ir_cron", "doall boolean", 11, 17, "", ""},
	{"ir_cron", "nextcall timestamp NOT NULL", 11, 19, "now", ""},
	{"ir_cron", "lastcall timestamp", 13, 19, "", ""},
	{"ir_cron", "priority int", 11, 19, "", ""},
	{"ir_cron", "failure_count int", 18, 19, "", ""},
	{"ir_cron", "first_failure_date timestamp", 18, 19, "", ""},

	{"ir_mail_server", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"ir_mail_server", "name varchar NOT NULL", 11, 19, "live", ""},
	{"ir_mail_server", "from_filter varchar", 15, 19, "", ""},
	{"ir_mail_server", "smtp_host varchar NOT NULL", 11, 16, "mail", ""},
	// Without one, smtp_authentication 'cli' uses smtp_server of odoo.conf.
	{"ir_mail_server", "smtp_host varchar", 17, 19, "", ""},
	{"ir_mail_server", "smtp_port int NOT NULL", 11, 16, "25", ""},
	{"ir_mail_server", "smtp_port int", 17, 19, "", ""},
	{"ir_mail_server", "smtp_authentication varchar NOT NULL", 15, 16, "login", ""},
	{"ir_mail_server", "smtp_authentication varchar NOT NULL", 17, 19, "cli", ""},
	{"ir_mail_server", "smtp_user varchar", 11, 19, "", ""},
	{"ir_mail_server", "smtp_pass varchar", 11, 19, "", ""},
	{"ir_mail_server", "smtp_encryption varchar NOT NULL", 11, 17, "none", ""},
	{"ir_mail_server", "smtp_encryption varchar NOT NULL CHECK (smtp_encryption <> 'none' OR smtp_authentication <> 'certificate')", 18, 19, "none", ""},
	{"ir_mail_server", "smtp_ssl_certificate bytea", 15, 19, "", ""},
	{"ir_mail_server", "smtp_ssl_private_key bytea", 15, 19, "", ""},
	{"ir_mail_server", "smtp_debug boolean", 11, 19, "", ""},
	{"ir_mail_server", "sequence int", 11, 19, "", ""},
	{"ir_mail_server", "max_email_size float8", 18, 19, "", ""},
	{"ir_mail_server", "active boolean", 11, 19, "true", ""},
	{"ir_mail_server", "owner_user_id int UNIQUE", 19, 19, "", ""},

	{"mail_template", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"mail_template", "mail_server_id int REFERENCES ir_mail_server", 11, 19, "1", "NULL"},
	{"mail_message", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"mail_message", "mail_server_id int REFERENCES ir_mail_server", 11, 19, "1", "NULL"},
	{"mail_mail", "mail_message_id int NOT NULL REFERENCES mail_message", 11, 19, "1", ""},
	{"mail_mail", "state varchar", 11, 19, "outgoing", ""},
	{"mail_mass_mailing", "mail_server_id int REFERENCES ir_mail_server", 12, 12, "1", "NULL"},
	{"mailing_mailing", "mail_server_id int REFERENCES ir_mail_server", 13, 19, "1", "NULL"},

	{"fetchmail_server", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"fetchmail_server", "name varchar NOT NULL", 11, 19, "x", ""},
	{"fetchmail_server", "active boolean", 11, 19, "true", "false"},
	{"fetchmail_server", "state varchar", 11, 19, "done", ""},
	{"fetchmail_server", "server varchar", 11, 19, "", ""},
	{"fetchmail_server", "port int", 11, 19, "", ""},
	{"fetchmail_server", "type varchar NOT NULL", 11, 12, "imap", ""},
	{"fetchmail_server", "server_type varchar NOT NULL", 13, 19, "imap", ""},
	{"fetchmail_server", "l10n_it_is_pec boolean", 12, 15, "", ""},

	{"payment_acquirer", "id serial PRIMARY KEY", 11, 15, "", ""},
	{"payment_acquirer", "name varchar NOT NULL", 11, 15, "x", ""},
	{"payment_acquirer", "provider varchar NOT NULL", 11, 15, "stripe", ""},
	{"payment_acquirer", "company_id int NOT NULL", 11, 15, "1", ""},
	{"payment_acquirer", "view_template_id int NOT NULL", 11, 14, "1", ""},
	{"payment_acquirer", "environment varchar NOT NULL", 11, 12, "prod", "test"},
	{"payment_acquirer", "website_published boolean", 11, 12, "true", "false"},
	{"payment_acquirer", "payment_flow varchar NOT NULL", 11, 14, "form", "form"},
	{"payment_acquirer", "save_token varchar", 11, 14, "ask", "ask"},
	{"payment_acquirer", "allow_tokenization boolean", 15, 15, "true", "true"},
	{"payment_acquirer", "state varchar NOT NULL", 13, 15, "enabled", "disabled"},
	{"payment_acquirer", "adyen_merchant_account varchar", 11, 15, "m", "NULL"},
	{"payment_acquirer", "alipay_md5_signature_key varchar", 13, 15, "k", "NULL"},
	{"payment_acquirer", "authorize_login varchar", 11, 15, "l", "NULL"},
	{"payment_acquirer", "brq_secretkey varchar", 11, 14, "k", "NULL"},
	{"payment_acquirer", "buckaroo_secret_key varchar", 15, 15, "k", "NULL"},
	{"payment_acquirer", "mollie_api_key varchar", 15, 15, "k", "NULL"},
	{"payment_acquirer", "ogone_shakey_in varchar", 11, 15, "k", "NULL"},
	{"payment_acquirer", "paypal_pdt_token varchar", 11, 15, "k", "NULL"},
	{"payment_acquirer", "payumoney_merchant_salt varchar", 11, 15, "k", "NULL"},
	{"payment_acquirer", "sips_key_version int", 14, 15, "3", "3"},
	{"payment_acquirer", "sips_prod_url varchar", 11, 15, "u", "u"},
	{"payment_acquirer", "stripe_secret_key varchar", 11, 15, "sk_live", "NULL"},
	// A module's own, NOT NULL.
	{"payment_acquirer", "redsys_secret_key varchar NOT NULL", 11, 15, "k", ""},
	{"payment_provider", "id serial PRIMARY KEY", 16, 19, "", ""},
	{"payment_provider", "name jsonb NOT NULL", 16, 19, `{"en_US": "x"}`, ""},
	{"payment_provider", "code varchar NOT NULL", 16, 19, "stripe", ""},
	{"payment_provider", "company_id int NOT NULL", 16, 19, "1", ""},
	{"payment_provider", "state varchar NOT NULL", 16, 19, "enabled", ""},
	{"payment_provider", "is_published boolean", 16, 19, "", ""},

	{"payment_token", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"payment_token", "name varchar", 11, 14, "", ""},
	{"payment_token", "name varchar NOT NULL", 15, 15, "x", ""},
	{"payment_token", "partner_id int NOT NULL", 11, 19, "1", ""},
	{"payment_token", "acquirer_id int NOT NULL", 11, 15, "1", ""},
	{"payment_token", "acquirer_ref varchar NOT NULL", 11, 15, "r", ""},
	{"payment_token", "provider_id int NOT NULL", 16, 19, "1", ""},
	{"payment_token", "provider_ref varchar NOT NULL", 16, 19, "r", ""},
	{"payment_token", "payment_method_id int NOT NULL", 17, 19, "1", ""},
	{"payment_token", "active boolean", 11, 19, "true", ""},

	{"delivery_carrier", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"delivery_carrier", "name varchar NOT NULL", 11, 15, "x", ""},
	{"delivery_carrier", "name jsonb NOT NULL", 16, 19, `{"en_US": "x"}`, ""},
	{"delivery_carrier", "active boolean", 11, 19, "true", "false"},
	{"delivery_carrier", "delivery_type varchar NOT NULL", 11, 19, "dhl", ""},
	{"delivery_carrier", "prod_environment boolean", 11, 19, "true", "false"},
	{"delivery_carrier", "product_id int NOT NULL", 11, 19, "1", ""},
	{"delivery_carrier", "integration_level varchar", 11, 19, "", ""},
	{"delivery_carrier", "invoice_policy varchar NOT NULL", 13, 19, "real", ""},
	{"delivery_carrier", `"dhl_SiteID" varchar`, 11, 17, "", ""},
	{"delivery_carrier", "dhl_password varchar", 11, 17, "p", "NULL"},
	{"delivery_carrier", "mondialrelay_brand varchar", 15, 19, "B", "BDTEST  "},

	{"auth_oauth_provider", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"auth_oauth_provider", "enabled boolean", 11, 19, "true", "false"},
	{"iap_account", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"iap_account", "account_token varchar", 11, 19, "t", "t+disabled"},

	{"res_users_settings", "id serial PRIMARY KEY", 15, 19, "", ""},
	{"res_users_settings", "user_id int NOT NULL UNIQUE", 15, 19, "1", ""},
	{"res_users_settings", "google_calendar_rtoken varchar", 18, 19, "r", ""},
	{"res_users_settings", "google_calendar_token varchar", 18, 19, "t", ""},
	{"res_users_settings", "microsoft_calendar_sync_token varchar", 18, 19, "s", ""},
	{"google_calendar_credentials", "id serial PRIMARY KEY", 15, 17, "", ""},
	{"google_calendar_credentials", "calendar_rtoken varchar", 15, 17, "r", "NULL"},
	{"google_calendar_credentials", "calendar_token varchar", 15, 17, "t", "NULL"},
	{"google_calendar_credentials", "synchronization_stopped boolean", 15, 17, "", "true"},
	{"microsoft_calendar_credentials", "calendar_sync_token varchar", 17, 17, "s", ""},
	{"res_users", "google_calendar_rtoken varchar", 11, 14, "r", "NULL"},
	{"res_users", "google_calendar_token varchar", 11, 14, "t", "NULL"},
	{"res_users", "microsoft_calendar_rtoken varchar", 14, 19, "r", "NULL"},
	{"res_users", "microsoft_calendar_token varchar", 14, 19, "t", "NULL"},
	{"res_users", "microsoft_synchronization_stopped boolean", 15, 16, "", "true"},

	{"res_company", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"res_company", "pad_key varchar", 11, 14, "k", "k"},
	{"res_company", "gengo_private_key varchar", 11, 13, "k", "NULL"},
	{"res_company", "gengo_sandbox boolean", 11, 13, "", "true"},
	{"res_company", "l10n_it_mail_pec_server_id int REFERENCES ir_mail_server", 12, 15, "1", "NULL"},
	{"res_company", "l10n_es_edi_test_env boolean", 14, 17, "false", "true"},
	{"res_company", "l10n_eg_production_env boolean", 15, 19, "true", "false"},
	{"res_company", "l10n_eg_client_secret varchar", 15, 19, "s", "NULL"},
	{"res_company", "l10n_in_edi_production_env boolean", 15, 19, "true", "false"},
	{"res_company", "l10n_in_edi_password varchar", 15, 19, "p", "NULL"},
	{"res_company", "l10n_ke_cu_proxy_address varchar", 15, 19, "http://localhost:8069", "NULL"},
	{"res_company", "l10n_sa_api_mode varchar NOT NULL", 15, 19, "prod", "sandbox"},
	{"res_company", "l10n_mx_edi_pac_test_env boolean", 11, 19, "", "true"},
	{"res_company", "l10n_ar_afip_ws_environment varchar", 13, 19, "production", "testing"},

	{"pos_payment_method", "adyen_test_mode boolean", 13, 19, "false", "true"},
	{"website", "domain varchar", 11, 19, "https://shop.example.com", "NULL"},
	{"website", "cdn_activated boolean", 11, 19, "true", "false"},
	{"website", "robots_txt text", 14, 19, "", "User-agent: *\nDisallow: /"},
	{"account_edi_proxy_client_user", "id serial PRIMARY KEY", 14, 19, "", ""},

	{"ir_act_server", "state varchar NOT NULL", 11, 16, "code", "code"},
	{"ir_act_server", "state varchar NOT NULL", 17, 19, "webhook", ""},
	{"ir_act_server", "webhook_url varchar", 17, 19, "https://example.com/hook", ""},
	{"base_automation", "id serial PRIMARY KEY", 11, 19, "", ""},
	{"base_automation", "active boolean", 11, 19, "true", "true"},
	{"base_automation", "trigger varchar NOT NULL", 11, 16, "on_create", "on_create"},
	{"base_automation", "trigger varchar NOT NULL", 17, 19, "on_webhook", ""},
	{"base_automation", "webhook_uuid varchar", 17, 19, "u", ""},
}

// fieldsIn are a version's, by table, and the tables in their order.
func fieldsIn(major int) (tables []string, fields map[string][]fieldOf) {
	fields = map[string][]fieldOf{}
	for _, f := range fieldsOf {
		if major < f.since || major > f.until {
			continue
		}
		if fields[f.table] == nil {
			tables = append(tables, f.table)
		}
		fields[f.table] = append(fields[f.table], f)
	}
	return tables, fields
}

// ofVersion makes a version's tables, each with a row that has what is live: three
// crons, one of them the one that cleans up, and two means of payment.
func ofVersion(major int) []string {
	tables, fields := fieldsIn(major)
	var sql []string
	for _, table := range tables {
		var columns, names, values []string
		for _, f := range fields[table] {
			columns = append(columns, f.column)
			if f.live != "" {
				name, _, _ := strings.Cut(f.column, " ")
				names, values = append(names, name), append(values, "'"+f.live+"'")
			}
		}
		if table == "res_users" {
			for i, c := range columns {
				columns[i] = "ADD " + c
			}
			sql = append(sql, `ALTER TABLE res_users `+strings.Join(columns, ", "))
			for i := range names {
				sql = append(sql, fmt.Sprintf(`UPDATE res_users SET %s = %s WHERE id = 1`, names[i], values[i]))
			}
			continue
		}
		sql = append(sql, `CREATE TABLE `+table+` (`+strings.Join(columns, ", ")+`)`)
		rows := map[string]int{"ir_cron": 3, "payment_token": 2}
		for range max(rows[table], 1) {
			if len(names) > 0 {
				sql = append(sql, `INSERT INTO `+table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(values, ", ")+`)`)
			} else {
				sql = append(sql, `INSERT INTO `+table+` DEFAULT VALUES`)
			}
		}
	}
	// A reference whose record is gone has no res_id.
	sql = append(sql, `INSERT INTO ir_model_data VALUES ('base', 'autovacuum_job', 'ir.cron', NULL), ('base', 'autovacuum_job', 'ir.cron', 1)`)
	// What a copy may keep: a carrier that asks nobody, a provider in test mode.
	sql = append(sql, `INSERT INTO delivery_carrier (`+namesOf(fields["delivery_carrier"], "id", "active", "delivery_type")+`active, delivery_type)
		SELECT `+namesOf(fields["delivery_carrier"], "id", "active", "delivery_type")+`true, 'fixed' FROM delivery_carrier`)
	for _, table := range []string{"payment_acquirer", "payment_provider"} {
		if f := fields[table]; f != nil && major >= 13 {
			sql = append(sql, `INSERT INTO `+table+` (`+namesOf(f, "id", "state")+`state) SELECT `+namesOf(f, "id", "state")+`'test' FROM `+table)
		}
	}
	if major < neutralize.Since {
		sql = append(sql, `INSERT INTO ir_config_parameter VALUES ('google_drive_refresh_token', 'r'), ('database.is_neutralized', 'false')`)
	}
	return sql
}

// namesOf are the columns but some, each followed by a comma.
func namesOf(fields []fieldOf, but ...string) string {
	var b strings.Builder
	for _, f := range fields {
		if name, _, _ := strings.Cut(f.column, " "); !slices.Contains(but, name) {
			b.WriteString(name + ", ")
		}
	}
	return b.String()
}

// harmless makes a copy that does nothing of a database: of two versions by the way of an
// archive, which is the same for all, and of the others by what a restore calls.
func harmless(t *testing.T, s *server.Server, db string, major int) (neutralize.Active, error) {
	t.Helper()
	withOdoo := func(_ context.Context, database string, _ []string) error {
		odoodbtest.MustApp(t, s, database, odoodbtest.AsOdooNeutralizes...)
		return nil
	}
	if major == neutralize.Since-1 || major == 19 {
		file := filepath.Join(t.TempDir(), "a.zip")
		if _, err := backup.Run(ctx, s, backup.Options{Database: db, File: file}); err != nil {
			t.Fatal(err)
		}
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: db, OdooMajor: major, Copy: true, Neutralize: true, NeutralizeWithOdoo: withOdoo})
		if err == nil && (!rep.Neutralized || !rep.Copied || rep.OdooMajor != major) {
			t.Errorf("%d: %+v", major, rep)
		}
		return rep.Active, err
	}
	c, err := s.App(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	if major >= neutralize.Since {
		err = neutralize.ByOdoo(ctx, s, db, major, nil, withOdoo)
	} else {
		err = neutralize.Tables(ctx, c)
	}
	if err != nil {
		return neutralize.Active{}, err
	}
	return neutralize.CountActive(ctx, c)
}

// TestNeutralizeEveryVersion: a database of each version becomes a copy that does
// nothing outside of itself, and what was active is counted.
func TestNeutralizeEveryVersion(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for major := 11; major <= 19; major++ {
		db := fmt.Sprintf("n%d", major)
		odoodbtest.OldOdoo(t, s, db, fmt.Sprintf("%d.0.1.3", major), ofVersion(major)...)
		c, err := s.App(ctx, db)
		if err != nil {
			t.Fatal(err)
		}
		before, err := neutralize.CountActive(ctx, c)
		engine.Close(c)
		webhooks, calendars := 0, 1
		if major >= 17 {
			webhooks = 2
		}
		if major >= 14 {
			calendars = 2 // Google's and Microsoft's
		}
		if want := (neutralize.Active{Crons: 2, MailServers: 1, FetchmailServers: 1, PaymentProviders: 1, Webhooks: webhooks, CalendarTokens: calendars, PaymentTokens: 2}); err != nil || before != want {
			t.Errorf("%d before: %+v, %v", major, before, err)
		}
		after, err := harmless(t, s, db, major)
		if err != nil {
			t.Errorf("%d: %v", major, err)
			continue
		}
		if major >= neutralize.Since {
			// What Odoo's own command leaves active is counted, and mail is safe.
			if after.MailServers != 0 || after.Crons != 2 || after.Webhooks != webhooks {
				t.Errorf("%d after: %+v", major, after)
			}
			continue
		}
		if want := (neutralize.Active{PaymentTokens: 2}); after != want || after.String() != "2 payment tokens" {
			t.Errorf("%d after: %+v", major, after)
		}
		got := odoodbtest.Value[string](t, s, db, `SELECT concat_ws(' ', (SELECT string_agg(id::text, ',') FROM ir_cron WHERE active), (SELECT string_agg(smtp_host, ',') FROM ir_mail_server WHERE active),
			(SELECT string_agg(delivery_type, ',') FROM delivery_carrier WHERE active))`)
		if got != "1 invalid fixed" {
			t.Errorf("%d: %s", major, got)
		}
		inCopy(t, s, db, major)
	}
}

// inCopy compares every column that has a value of its own in a copy, and parameters.
func inCopy(t *testing.T, s *server.Server, db string, major int) {
	t.Helper()
	tables, fields := fieldsIn(major)
	for _, table := range tables {
		for _, f := range fields[table] {
			if f.copy == "" {
				continue
			}
			name, _, _ := strings.Cut(f.column, " ")
			where := map[string]string{"delivery_carrier": `delivery_type = 'dhl'`, "res_users": `id = 1`}[table]
			if name == "state" && table == "payment_acquirer" {
				where = `state <> 'test'`
			}
			got := odoodbtest.Value[string](t, s, db, `SELECT coalesce(string_agg(DISTINCT coalesce(`+name+`::text, 'NULL'), ' | '), 'no row') FROM `+table+` WHERE `+cmp.Or(where, "true"))
			if got != f.copy {
				t.Errorf("%d: %s.%s is %q in a copy, not %q", major, table, name, got, f.copy)
			}
		}
	}
	if got := odoodbtest.Value[string](t, s, db, `SELECT string_agg(DISTINCT redsys_secret_key, ' | ') FROM payment_acquirer`); got != "" {
		t.Errorf("%d: a secret that takes no NULL is %q", major, got)
	}
	want := "database.is_neutralized=true iap.endpoint=https://iap-sandbox.odoo.com"
	if major >= 14 {
		want = "account_edi_proxy_client.demo=demo " + want
	}
	got := odoodbtest.Value[string](t, s, db, `SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM ir_config_parameter
		WHERE key IN ('database.is_neutralized', 'iap.endpoint', 'account_edi_proxy_client.demo', 'google_drive_refresh_token')`)
	if got != want {
		t.Errorf("%d: parameters %s", major, got)
	}
}
