package pglogin_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/pglogin"
)

// TestWordsOfPoolers: each has its own way to say that it does not know a role or
// a database, which ends the wait, and that the server behind it is away, which
// does not. The forms and the words are theirs (PgBouncer 1.25, Odyssey 1.5, pgcat
// 1.2, Supavisor 2).
func TestWordsOfPoolers(t *testing.T) {
	pgbouncer := func(words string) *pgproto3.ErrorResponse {
		return &pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: words}
	}
	other := func(code, words string) *pgproto3.ErrorResponse {
		return &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: words}
	}
	for _, tc := range []struct {
		name   string
		answer *pgproto3.ErrorResponse
		reason pglogin.Reason
		ends   bool
		says   string
	}{
		{"PgBouncer, a database called like a passing state", pgbouncer("no such database: server_shop"), pglogin.Pooler, true, "does not offer database"},
		{"PgBouncer, its server is away", pgbouncer("server login has been failing, cached error: connect failed (server_login_retry)"), pglogin.ServerBusy, false, "PgBouncer"},
		{"PgBouncer, without TLS", pgbouncer("SSL required"), pglogin.Pooler, true, "PGSSLMODE=require"},
		{"a cloud's, without TLS", other("28000", "This RDS Proxy requires TLS connections"), pglogin.Pooler, true, "takes only connections with TLS"},
		{"PgBouncer, PGOPTIONS", pgbouncer("unsupported startup parameter: options"), pglogin.Pooler, true, "ignore_startup_parameters"},
		{"pgcat, no pool", other("58000", `No pool configured for database: "postgres", user: "odoo"`), pglogin.Pooler, true, "pgcat"},
		{"pgcat, no server", other("58000", "could not get connection from the pool - AllServersDown"), pglogin.ServerBusy, false, "pooler"},
		{"pgcat, password", other("28P01", `password authentication failed for user "odoo"`), pglogin.WrongPassword, true, "pooler"},
		{"Supavisor, no tenant", other("XX000", "Tenant or user not found"), pglogin.Pooler, true, "pooler"},
		{"Supavisor, no tenant, with its code", other("XX000", "(ENOTFOUND) tenant/user postgres.shop not found"), pglogin.Pooler, true, "pooler"},
		{"Odyssey, no route", other("3D000", "odyssey: c{id}: route for 'postgres.odoo' is not found"), pglogin.DatabaseMissing, true, "does not exist"},
		{"Odyssey, cannot ask for passwords", other("28000", "odyssey: c{id}: frontend auth: failed to make auth query"), pglogin.ServerBusy, false, "Odyssey"},
		{"Odyssey, another identity for every connection", other("08P01", "odyssey: c{id}: bad sequence"), pglogin.Pooler, true, "Odyssey"},
		{"a server of its own", &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "XX000", Message: "user not found", File: "x.c", Line: 1, Routine: "f"}, pglogin.ServerBusy, false, "could not serve"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			port := proxy(t, 0, func(n int, c net.Conn) bool {
				asked.Add(1)
				answer := *tc.answer
				answer.Message = strings.ReplaceAll(answer.Message, "{id}", fmt.Sprintf("%012x", n))
				refuse(c, &answer)
				return false
			})
			timeout := 30 * time.Second
			if !tc.ends {
				timeout = 1500 * time.Millisecond
			}
			w := wait(t.Context(), pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo"}, timeout).end(t)
			e := wantReason(t, w.err, tc.reason)
			if (e.Waited == 0) != tc.ends || !strings.Contains(e.Error()+e.Next(), tc.says) {
				t.Errorf("after %d answers, waited %s: %v; next: %s", asked.Load(), e.Waited, e, e.Next())
			}
			if tc.answer.File == "" && !strings.Contains(e.Error(), "pooler") {
				t.Errorf("the pooler is not named: %v", e)
			}
		})
	}
}

// TestDatabaseUnknownToPooler: a database that is only to be created is fine.
func TestDatabaseUnknownToPooler(t *testing.T) {
	c := shared(t)
	cfg := config(c)
	cfg.Also = []string{"fresh"}
	cfg.Port = proxy(t, c.Port, func(n int, in net.Conn) bool {
		if n == 0 {
			return true
		}
		refuse(in, &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "58000", Message: `No pool configured for database: "fresh", user: "odoo"`})
		return false
	})
	w := wait(t.Context(), cfg, 5*time.Second).end(t)
	if w.err != nil || w.res.Databases["fresh"] || len(w.res.Unknown) != 1 {
		t.Errorf("%v %+v", w.err, w.res)
	}
}
