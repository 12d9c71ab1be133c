package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/test/inherited/legacy"
)

// Each refusal is provoked on a real server, over TCP, and asked about over
// the socket; once in English and once in German. The proposed SQL then has to
// cure it.
func TestDiagnoseLogin(t *testing.T) {
	for _, language := range []string{"C", "de_DE.UTF-8"} {
		t.Run(language, func(t *testing.T) {
			ctx := deadline(t)
			c := legacy.New(t, legacy.Spec{Major: 15, Conf: []string{"lc_messages = '" + language + "'"}, Setup: []string{
				`CREATE ROLE odoo LOGIN CREATEDB PASSWORD 's3cret of odoo'`, `CREATE DATABASE shop`, `CREATE DATABASE closed ALLOW_CONNECTIONS false`, `CREATE DATABASE half`,
			}})
			admin, err := cluster.Admin(ctx, c, cluster.Hints{}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close(ctx)
			sql := func(s string) {
				t.Helper()
				if _, err := admin.Exec(ctx, s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			hba := func(lines ...string) {
				t.Helper()
				if err := c.WriteHBA("local all all trust\n" + strings.Join(lines, "\n") + "\nhost all all all scram-sha-256\n"); err != nil {
					t.Fatal(err)
				}
				syscall.Kill(c.Pid(), syscall.SIGHUP)
				time.Sleep(150 * time.Millisecond)
			}
			// The connection above is to postgres, which nobody else may reach then.
			inTemplate1 := func(s string) {
				t.Helper()
				conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "template1")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(ctx)
				if _, err := conn.Exec(ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			for _, tt := range []struct {
				name     string
				do, undo func()
				role     string
				password string
				database string
				cause    string
				says     string
				next     string
			}{
				{name: "missing", role: "nobody", cause: cluster.CauseRoleMissing, next: "ensure-role"},
				{name: "wrong password", password: "wrong", cause: cluster.CauseWrongPassword, says: "keeps the passwords", next: "ensure-role"},
				{name: "nologin", do: func() { sql(`ALTER ROLE odoo NOLOGIN`) }, undo: func() { sql(`ALTER ROLE odoo LOGIN`) }, cause: cluster.CauseNoLogin, next: "ensure-role"},
				{name: "expired", do: func() { sql(`ALTER ROLE odoo VALID UNTIL '2020-02-02'`) }, undo: func() { sql(`ALTER ROLE odoo VALID UNTIL 'infinity'`) }, cause: cluster.CauseExpired, says: "2020-02-02"},
				{name: "no password", do: func() { sql(`CREATE ROLE empty LOGIN`) }, role: "empty", cause: cluster.CauseNoPassword},
				{name: "md5 stored", do: func() {
					sql(`SET password_encryption = 'md5'`)
					sql(`CREATE ROLE old LOGIN PASSWORD 's3cret of odoo'`)
				}, role: "old", cause: cluster.CausePasswordFormat, says: "line 2 of pg_hba.conf"},
				{name: "hba reject", do: func() { hba("# nobody", "host all odoo 127.0.0.1/32 reject") }, cause: cluster.CauseHBA, says: "line 3 of", next: `sed -i '1i host all "odoo" samenet scram-sha-256' `},
				{name: "hba reject of a network", do: func() { hba("host all +pg_monitor all reject", "host postgres,shop odoo 127.0.0.0 255.0.0.0 reject") }, cause: cluster.CauseHBA, says: "line 3 of"},
				{name: "hba peer method", do: func() { hba("host all odoo all ident") }, cause: cluster.CauseAuthMethod, says: "asks for ident, not a password"},
				{name: "no hba line", do: func() {
					if err := c.WriteHBA("local all all trust\nhost all postgres all scram-sha-256\n"); err != nil {
						t.Fatal(err)
					}
					syscall.Kill(c.Pid(), syscall.SIGHUP)
					time.Sleep(150 * time.Millisecond)
				}, undo: func() { hba() }, cause: cluster.CauseHBA, says: "has no line for role \"odoo\"", next: "pg_reload_conf"},
				{name: "database missing", database: "shöp", cause: cluster.CauseDatabaseMissing, next: "-i base"},
				{name: "postgres closed", database: "postgres", do: func() { inTemplate1(`ALTER DATABASE postgres ALLOW_CONNECTIONS false`) }, cause: cluster.CauseDatabaseClosed, next: "-d template1 "},
				{name: "database closed", database: "closed", cause: cluster.CauseDatabaseClosed, next: "ALLOW_CONNECTIONS true"},
				{name: "database invalid", database: "half", do: func() { sql(`UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'`) }, cause: cluster.CauseDatabaseInvalid, says: "interrupted while dropping", next: "odpm -d half --db-drop"},
				{name: "no CONNECT", do: func() { sql(`REVOKE CONNECT ON DATABASE shop FROM PUBLIC`) }, database: "shop", cause: cluster.CauseNoConnect, next: `GRANT CONNECT ON DATABASE "shop" TO "odoo"`},
				{name: "role limit", do: func() { sql(`ALTER ROLE odoo CONNECTION LIMIT 0`) }, undo: func() { sql(`ALTER ROLE odoo CONNECTION LIMIT -1`) }, cause: cluster.CauseRoleLimit},
				{name: "database limit", do: func() {
					sql(`GRANT CONNECT ON DATABASE shop TO PUBLIC`)
					sql(`ALTER DATABASE shop CONNECTION LIMIT 0`)
				}, database: "shop", cause: cluster.CauseDatabaseLimit, next: "CONNECTION LIMIT -1"},
			} {
				t.Run(tt.name, func(t *testing.T) {
					if tt.do != nil {
						tt.do()
					}
					role, password := or(tt.role, "odoo"), or(tt.password, "s3cret of odoo")
					refused := refusal(ctx, t, c, role, password, tt.database)
					if language != "C" && refused.Server != "" && (strings.Contains(refused.Server, "password") || strings.Contains(refused.Server, "does not exist")) {
						t.Errorf("the server speaks English (%s); run: make setup", refused.Server)
					}
					d, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{}, role, password, tt.database, refused)
					if err != nil {
						t.Fatal(err)
					}
					if d.Cause != tt.cause || !strings.Contains(d.Message, tt.says) || len(d.Next) == 0 || !strings.Contains(strings.Join(d.Next, "\n"), tt.next) {
						t.Errorf("%s\n%+v", refused, d)
					}
					if strings.Contains(d.Message+strings.Join(d.Next, ""), "s3cret") {
						t.Errorf("the password is in %+v", d)
					}
					cure(t, d)
					if d.Cause == cluster.CauseHBA || d.Cause == cluster.CauseAuthMethod {
						time.Sleep(150 * time.Millisecond)
						if addr, err := c.HostAddr(ctx); err != nil {
							t.Error(err)
						} else if err := cluster.Prove(ctx, addr, cluster.Wanted{Role: role, Password: password}, tt.database); err != nil {
							t.Errorf("after %q: %v", d.Next, err)
						}
					}
					if tt.undo != nil {
						tt.undo()
					}
					if strings.HasPrefix(tt.name, "hba") {
						hba()
					}
				})
			}
			hba()
			if d, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{}, "odoo", "s3cret of odoo", "shop", nil); err != nil || d.Cause != cluster.CauseNone {
				t.Errorf("after all cures: %+v %v", d, err)
			}
		})
	}
}

// cure runs proposed psql and sed commands as they are shown. Nobody has the
// password of an inherited cluster's superuser, so none is given.
func cure(t *testing.T, d cluster.Diagnosis) {
	t.Helper()
	for _, n := range d.Next {
		if !strings.Contains(n, "psql ") && !strings.Contains(n, "sed ") {
			continue
		}
		cmd := exec.Command("sh", "-c", n)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", n, err, out)
		}
	}
}

func refusal(ctx context.Context, t *testing.T, c *legacy.Cluster, role, password, database string) *pglogin.Error {
	t.Helper()
	addr, err := c.HostAddr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = cluster.Prove(ctx, addr, cluster.Wanted{Role: role, Password: password}, database)
	var refused *pglogin.Error
	if !errors.As(err, &refused) {
		t.Fatalf("the login was not refused: %v", err)
	}
	return refused
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Two projects, one port: the server that refuses is not the one we ask.
func TestDiagnoseOtherServer(t *testing.T) {
	ctx := deadline(t)
	good := `CREATE ROLE odoo LOGIN CREATEDB PASSWORD 's3cret of odoo'`
	ours, other := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{good}}), legacy.New(t, legacy.Spec{Major: 15})
	refused := refusal(ctx, t, other, "odoo", "s3cret of odoo", "")
	d, err := cluster.DiagnoseLogin(ctx, ours, cluster.Hints{}, "odoo", "s3cret of odoo", "", refused)
	if err != nil || d.Cause != cluster.CauseOtherServer || !strings.Contains(d.Message, fmt.Sprintf(":%d", other.Port)) {
		t.Errorf("%+v %v", d, err)
	}
}

func TestDiagnoseWithoutAdmin(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`ALTER ROLE postgres NOLOGIN`}})
	refused := refusal(ctx, t, c, "odoo", "x", "")
	d, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{}, "odoo", "x", "", refused)
	if err != nil || d.Cause != cluster.CauseUnknown || !strings.Contains(strings.Join(d.Next, ""), "ensure-role") {
		t.Errorf("%+v %v", d, err)
	}
}

// As a lesser role one cannot compare passwords, and can still conclude.
func TestDiagnoseAsLesserRole(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`CREATE ROLE odoo LOGIN PASSWORD 'of-long-ago'`, `ALTER ROLE postgres NOLOGIN`}})
	for role, cause := range map[string]string{"odoo": cluster.CauseWrongPassword, "nobody": cluster.CauseRoleMissing} {
		refused := refusal(ctx, t, c, role, "x", "")
		d, err := cluster.DiagnoseLogin(ctx, c, cluster.Hints{Admins: []string{"odoo"}}, role, "x", "", refused)
		if err != nil || d.Cause != cause {
			t.Errorf("%s: %+v %v", role, d, err)
		}
	}
}
