package neutralize

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/odoodb/tables"
)

// Active counts what a database does or could do outside of itself.
type Active struct {
	// Crons are scheduled actions other than the one that cleans up.
	Crons int `json:"crons"`
	// MailServers send, FetchmailServers receive. The server that leads nowhere,
	// which neutralizing makes, is none.
	MailServers      int `json:"mail_servers"`
	FetchmailServers int `json:"fetchmail_servers"`
	// PaymentProviders are those in production (acquirers before Odoo 16).
	PaymentProviders int `json:"payment_providers"`
	// Webhooks are addresses that actions call, and addresses of automation
	// rules that others may call.
	Webhooks int `json:"webhooks"`
	// CalendarTokens are users' logins to Google's and Microsoft's calendars,
	// PaymentTokens are customers' stored means of payment.
	CalendarTokens int `json:"calendar_tokens"`
	PaymentTokens  int `json:"payment_tokens"`
}

func (a Active) String() string {
	var parts []string
	for _, p := range []struct {
		n        int
		one, all string
	}{
		{a.Crons, "cron", "crons"}, {a.MailServers, "mail server", "mail servers"}, {a.FetchmailServers, "fetchmail server", "fetchmail servers"},
		{a.PaymentProviders, "payment provider", "payment providers"}, {a.Webhooks, "webhook", "webhooks"},
		{a.CalendarTokens, "calendar token", "calendar tokens"}, {a.PaymentTokens, "payment token", "payment tokens"},
	} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.all))
		}
	}
	return strings.Join(parts, ", ")
}

// activeCounts are queries like measures: each counts where the table has all of
// the columns, which differ from version to version.
var activeCounts = []struct {
	into    func(*Active) *int
	table   string
	columns []string
	where   string
}{
	{func(a *Active) *int { return &a.Crons }, "ir_cron", []string{"active"}, `t.active AND NOT EXISTS (SELECT FROM public.ir_model_data d WHERE d.module = 'base' AND d.name = 'autovacuum_job' AND d.model = 'ir.cron' AND d.res_id = t.id)`},
	{func(a *Active) *int { return &a.MailServers }, "ir_mail_server", []string{"active", "smtp_host"}, `t.active AND coalesce(t.smtp_host, '') <> 'invalid'`},
	{func(a *Active) *int { return &a.FetchmailServers }, "fetchmail_server", []string{"active"}, `t.active`},
	{func(a *Active) *int { return &a.PaymentProviders }, "payment_provider", []string{"state"}, `t.state NOT IN ('test', 'disabled')`},
	{func(a *Active) *int { return &a.PaymentProviders }, "payment_acquirer", []string{"state"}, `t.state NOT IN ('test', 'disabled')`},
	{func(a *Active) *int { return &a.PaymentProviders }, "payment_acquirer", []string{"environment"}, `t.environment <> 'test'`},
	{func(a *Active) *int { return &a.Webhooks }, "ir_act_server", []string{"state", "webhook_url"}, `t.state = 'webhook' AND t.webhook_url LIKE '%://%'`},
	{func(a *Active) *int { return &a.Webhooks }, "base_automation", []string{"active", "trigger"}, `t.active AND t.trigger = 'on_webhook'`},
	{func(a *Active) *int { return &a.CalendarTokens }, "res_users", []string{"google_calendar_rtoken"}, `t.google_calendar_rtoken <> ''`},
	{func(a *Active) *int { return &a.CalendarTokens }, "res_users", []string{"microsoft_calendar_rtoken"}, `t.microsoft_calendar_rtoken <> ''`},
	{func(a *Active) *int { return &a.CalendarTokens }, "google_calendar_credentials", []string{"calendar_rtoken"}, `t.calendar_rtoken <> ''`},
	{func(a *Active) *int { return &a.CalendarTokens }, "res_users_settings", []string{"google_calendar_rtoken"}, `t.google_calendar_rtoken <> ''`},
	{func(a *Active) *int { return &a.PaymentTokens }, "payment_token", []string{"active"}, `t.active`},
}

// CountActive counts in the session of whom the database belongs to.
func CountActive(ctx context.Context, c *pgx.Conn) (Active, error) {
	var a Active
	for _, q := range activeCounts {
		cols, err := tables.Columns(ctx, c, q.table)
		if err != nil {
			return a, err
		}
		if !hasAll(cols, q.columns) {
			continue
		}
		var n int
		if err := c.QueryRow(ctx, `SELECT count(*) FROM public.`+q.table+` t WHERE `+q.where).Scan(&n); err != nil {
			return a, fmt.Errorf("count what is active in %s: %w", q.table, err)
		}
		*q.into(&a) += n
	}
	return a, nil
}

func hasAll(cols map[string]bool, names []string) bool {
	for _, n := range names {
		if !cols[n] {
			return false
		}
	}
	return true
}

// Unreachable says why a copy cannot be made harmless from within its database:
// what it does then depends on files of the machine that it runs on.
func Unreachable(ctx context.Context, c *pgx.Conn) ([]string, error) {
	var why []string
	cols, err := tables.Columns(ctx, c, "ir_mail_server")
	if err != nil {
		return nil, err
	}
	switch {
	case len(cols) == 0:
	case !hasAll(cols, []string{"active", "smtp_host"}):
		why = append(why, "ir_mail_server has no column smtp_host: the mail servers are configured outside the database (as the module mail_environment does), and without an active one Odoo sends through smtp_server in odoo.conf")
	default:
		var any bool
		if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.ir_mail_server WHERE active)`).Scan(&any); err != nil {
			return nil, err
		}
		if !any {
			why = append(why, "no mail server is active in ir_mail_server, so Odoo sends through smtp_server in odoo.conf")
		}
	}
	cols, err = tables.Columns(ctx, c, "ir_module_module_dependency")
	if err != nil || !hasAll(cols, []string{"module_id", "name"}) {
		return why, err
	}
	// What is built on server_environment takes its settings from files: mail
	// servers, payment providers, carriers, storage, connectors.
	outside, err := tables.Collect(ctx, c, `SELECT DISTINCT m.name::pg_catalog.text FROM public.ir_module_module m JOIN public.ir_module_module_dependency d ON d.module_id = m.id
		WHERE d.name = 'server_environment' AND m.state IN ('installed', 'to upgrade', 'to remove') ORDER BY 1`)
	if len(outside) > 0 {
		why = append(why, "these installed modules take settings from server_environment's files, not from the database: "+strings.Join(outside, ", "))
	}
	return why, err
}

// Incomplete is the error of a copy that cannot be made harmless, with the reasons.
func Incomplete(why []string) error { return &notNeutralError{why} }

// IsNotNeutral says whether a restore was refused because its copy could not be
// made harmless.
func IsNotNeutral(err error) bool {
	var e *notNeutralError
	return errors.As(err, &e)
}

// notNeutralError is a copy whose safe state cannot be reached.
type notNeutralError struct{ why []string }

func (e *notNeutralError) Error() string {
	return fmt.Sprintf("the copy cannot be made harmless, so it was not restored:\n  %s\nTo restore it anyway, where none of that can reach anybody: --allow-incomplete-neutralize", strings.Join(e.why, "\n  "))
}
