package restore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
)

// columnsOf are the tables that matter to a copy as Odoo 11 to 19 makes them, with
// their NOT NULLs: since is the first version that has a column, until the last.
// They follow odoo/addons/base/models (ir_cron, ir_mail_server, ir_config_parameter,
// res_users), addons/payment (payment_acquirer, payment_provider, payment_token),
// addons/fetchmail and addons/mail (fetchmail_server), addons/delivery,
// addons/google_calendar, addons/microsoft_calendar, addons/base_automation.
var columnsOf = []struct {
	table, column string
	since, until  int
}{
	{"ir_cron", "id serial PRIMARY KEY", 11, 19},
	{"ir_cron", "ir_actions_server_id int NOT NULL", 11, 19},
	{"ir_cron", "cron_name varchar", 11, 19},
	{"ir_cron", "user_id int NOT NULL", 11, 19},
	{"ir_cron", "active boolean", 11, 19},
	{"ir_cron", "interval_number int", 11, 19},
	{"ir_cron", "interval_type varchar", 11, 19},
	{"ir_cron", "numbercall int", 11, 17},
	{"ir_cron", "doall boolean", 11, 17},
	{"ir_cron", "nextcall timestamp NOT NULL", 11, 19},
	{"ir_cron", "lastcall timestamp", 13, 19},
	{"ir_cron", "priority int", 11, 19},
	{"ir_cron", "failure_count int", 18, 19},

	{"ir_mail_server", "id serial PRIMARY KEY", 11, 19},
	{"ir_mail_server", "name varchar NOT NULL", 11, 19},
	{"ir_mail_server", "from_filter varchar", 15, 19},
	{"ir_mail_server", "smtp_host varchar NOT NULL", 11, 15},
	{"ir_mail_server", "smtp_host varchar", 16, 19},
	{"ir_mail_server", "smtp_port int NOT NULL", 11, 15},
	{"ir_mail_server", "smtp_port int", 16, 19},
	{"ir_mail_server", "smtp_authentication varchar NOT NULL", 15, 19},
	{"ir_mail_server", "smtp_user varchar", 11, 19},
	{"ir_mail_server", "smtp_pass varchar", 11, 19},
	{"ir_mail_server", "smtp_encryption varchar NOT NULL", 11, 19},
	{"ir_mail_server", "smtp_ssl_certificate bytea", 15, 19},
	{"ir_mail_server", "smtp_ssl_private_key bytea", 15, 19},
	{"ir_mail_server", "smtp_debug boolean", 11, 19},
	{"ir_mail_server", "sequence int", 11, 19},
	{"ir_mail_server", "active boolean", 11, 19},

	{"fetchmail_server", "id serial PRIMARY KEY", 11, 19},
	{"fetchmail_server", "name varchar NOT NULL", 11, 19},
	{"fetchmail_server", "active boolean", 11, 19},
	{"fetchmail_server", "state varchar", 11, 19},
	{"fetchmail_server", "server varchar", 11, 19},
	{"fetchmail_server", "port int", 11, 19},
	{"fetchmail_server", "type varchar NOT NULL", 11, 12},
	{"fetchmail_server", "server_type varchar NOT NULL", 13, 19},

	{"payment_acquirer", "id serial PRIMARY KEY", 11, 15},
	{"payment_acquirer", "name varchar NOT NULL", 11, 15},
	{"payment_acquirer", "provider varchar NOT NULL", 11, 15},
	{"payment_acquirer", "company_id int NOT NULL", 11, 15},
	{"payment_acquirer", "view_template_id int NOT NULL", 11, 12},
	{"payment_acquirer", "environment varchar NOT NULL", 11, 12},
	{"payment_acquirer", "website_published boolean", 11, 12},
	{"payment_acquirer", "payment_flow varchar NOT NULL", 11, 14},
	{"payment_acquirer", "state varchar NOT NULL", 13, 15},
	{"payment_provider", "id serial PRIMARY KEY", 16, 19},
	{"payment_provider", "name jsonb NOT NULL", 16, 19},
	{"payment_provider", "code varchar NOT NULL", 16, 19},
	{"payment_provider", "company_id int NOT NULL", 16, 19},
	{"payment_provider", "state varchar NOT NULL", 16, 19},
	{"payment_provider", "is_published boolean", 16, 19},

	{"payment_token", "id serial PRIMARY KEY", 11, 19},
	{"payment_token", "partner_id int NOT NULL", 11, 19},
	{"payment_token", "acquirer_id int NOT NULL", 11, 15},
	{"payment_token", "acquirer_ref varchar NOT NULL", 11, 15},
	{"payment_token", "provider_id int NOT NULL", 16, 19},
	{"payment_token", "provider_ref varchar NOT NULL", 16, 19},
	{"payment_token", "active boolean", 11, 19},

	{"delivery_carrier", "id serial PRIMARY KEY", 11, 19},
	{"delivery_carrier", "active boolean", 11, 19},
	{"delivery_carrier", "delivery_type varchar NOT NULL", 11, 19},
	{"delivery_carrier", "prod_environment boolean", 11, 19},
	{"delivery_carrier", "integration_level varchar", 11, 19},

	{"google_calendar_credentials", "id serial PRIMARY KEY", 15, 15},
	{"google_calendar_credentials", "calendar_rtoken varchar", 15, 15},
	{"google_calendar_credentials", "calendar_token varchar", 15, 15},
	{"res_users_settings", "id serial PRIMARY KEY", 16, 19},
	{"res_users_settings", "user_id int NOT NULL", 16, 19},
	{"res_users_settings", "google_calendar_rtoken varchar", 16, 19},
	{"res_users_settings", "microsoft_calendar_rtoken varchar", 18, 19},

	{"base_automation", "id serial PRIMARY KEY", 17, 19},
	{"base_automation", "active boolean", 17, 19},
	{"base_automation", "trigger varchar NOT NULL", 17, 19},
	{"base_automation", "webhook_uuid varchar", 17, 19},
}

// ofVersion makes them, each with a row that a copy must not act on: three crons,
// one of them the one that cleans up, and one or two of everything else.
func ofVersion(major int) []string {
	tables := map[string][]string{}
	var names []string
	for _, c := range columnsOf {
		if major < c.since || major > c.until {
			continue
		}
		if tables[c.table] == nil {
			names = append(names, c.table)
		}
		tables[c.table] = append(tables[c.table], c.column)
	}
	var sql []string
	for _, name := range names {
		sql = append(sql, `CREATE TABLE `+name+` (`+strings.Join(tables[name], ", ")+`)`)
	}
	// What no row says gets a value by the type of a NOT NULL.
	insert := func(table string, rows int, values map[string]string) {
		var cols, vals []string
		for _, c := range tables[table] {
			name, kind, _ := strings.Cut(c, " ")
			v := values[name]
			switch {
			case v != "":
			case !strings.Contains(kind, "NOT NULL"):
				continue
			case strings.HasPrefix(kind, "int"):
				v = "1"
			case strings.HasPrefix(kind, "jsonb"):
				v = `'{"en_US": "x"}'`
			case strings.HasPrefix(kind, "timestamp"):
				v = "now()"
			default:
				v = "'x'"
			}
			cols, vals = append(cols, name), append(vals, v)
		}
		sql = append(sql, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d)`, table, strings.Join(cols, ", "), strings.Join(vals, ", "), rows))
	}
	insert("ir_cron", 3, map[string]string{"active": "true"})
	// A reference whose record is gone has no res_id.
	sql = append(sql, `INSERT INTO ir_model_data VALUES ('base', 'autovacuum_job', 'ir.cron', NULL), ('base', 'autovacuum_job', 'ir.cron', 1)`)
	insert("ir_mail_server", 1, map[string]string{"name": "'live'", "smtp_host": "'mail'", "smtp_port": "25", "smtp_encryption": "'none'", "active": "true", "smtp_authentication": "'login'"})
	insert("fetchmail_server", 1, map[string]string{"active": "true"})
	insert("delivery_carrier", 1, map[string]string{"active": "true", "delivery_type": "'dhl'", "prod_environment": "true"})
	insert("delivery_carrier", 1, map[string]string{"active": "true", "delivery_type": "'fixed'", "prod_environment": "false"})
	insert("payment_token", 2, map[string]string{"active": "true"})
	switch {
	case major <= 12:
		insert("payment_acquirer", 1, map[string]string{"environment": "'prod'", "website_published": "true"})
	case major <= 15:
		insert("payment_acquirer", 1, map[string]string{"state": "'enabled'"})
		insert("payment_acquirer", 1, map[string]string{"state": "'test'"})
	default:
		insert("payment_provider", 1, map[string]string{"state": "'enabled'"})
		insert("payment_provider", 1, map[string]string{"state": "'test'"})
	}
	switch {
	case major <= 14:
		sql = append(sql, `ALTER TABLE res_users ADD google_calendar_rtoken varchar, ADD google_calendar_token varchar`, `UPDATE res_users SET google_calendar_rtoken = 'r'`)
	case major == 15:
		insert("google_calendar_credentials", 1, map[string]string{"calendar_rtoken": "'r'"})
	default:
		insert("res_users_settings", 1, map[string]string{"google_calendar_rtoken": "'r'"})
	}
	if major >= 17 {
		insert("base_automation", 1, map[string]string{"active": "true", "trigger": "'on_webhook'"})
	}
	return sql
}

// TestNeutralizeEveryVersion: an archive of each version becomes a copy that does
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
		webhooks := 0
		if major >= 17 {
			webhooks = 1
		}
		if want := (neutralize.Active{Crons: 2, MailServers: 1, FetchmailServers: 1, PaymentProviders: 1, Webhooks: webhooks, CalendarTokens: before.CalendarTokens, PaymentTokens: 2}); err != nil || before != want || before.CalendarTokens == 0 {
			t.Errorf("%d before: %+v, %v", major, before, err)
		}
		file := filepath.Join(t.TempDir(), "a.zip")
		if _, err := backup.Run(ctx, s, backup.Options{Database: db, File: file}); err != nil {
			t.Fatal(err)
		}
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: db, OdooMajor: major, Copy: true, Neutralize: true,
			NeutralizeWithOdoo: func(_ context.Context, database string, _ []string) error {
				odoodbtest.MustApp(t, s, database, odoodbtest.AsOdooNeutralizes...)
				return nil
			}})
		if err != nil || !rep.Neutralized || rep.OdooMajor != major {
			t.Errorf("%d: %v %+v", major, err, rep)
			continue
		}
		if major >= neutralize.Since {
			// What Odoo's own command leaves active is counted, and mail is safe.
			if rep.Active.MailServers != 0 || rep.Active.Crons != 2 || rep.Active.Webhooks != webhooks {
				t.Errorf("%d after: %+v", major, rep.Active)
			}
			continue
		}
		if want := (neutralize.Active{PaymentTokens: 2}); rep.Active != want || rep.Active.String() != "2 payment tokens" {
			t.Errorf("%d after: %+v", major, rep.Active)
		}
		got := odoodbtest.Value[string](t, s, db, `SELECT concat_ws(' ', (SELECT string_agg(id::text, ',') FROM ir_cron WHERE active), (SELECT string_agg(smtp_host, ',') FROM ir_mail_server WHERE active),
			(SELECT string_agg(delivery_type, ',') FROM delivery_carrier WHERE active), (SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'))`)
		if got != "1 invalid fixed true" {
			t.Errorf("%d: %s", major, got)
		}
	}
}
