package pglogin_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/shared/pglogin"
)

func TestLogin(t *testing.T) {
	c := shared(t)
	sql(t, c, "CREATE DATABASE shop OWNER odoo")
	cfg := config(c)
	cfg.Also = []string{"shop", "not there", `qu"o'ted`}
	before := logged(t, c, "connection received")
	res, err := pglogin.Login(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	received := logged(t, c, "connection received") - before
	if got := sql(t, c, "SHOW server_version_num"); got != strconv.Itoa(res.VersionNum) || res.Major() != 15 {
		t.Errorf("version %d, psql says %s", res.VersionNum, got)
	}
	if got := sql(t, c, "SELECT system_identifier FROM pg_control_system()"); got != res.SystemIdentifier {
		t.Errorf("identifier %s, psql says %s", res.SystemIdentifier, got)
	}
	if res.User != "odoo" || res.InRecovery || res.TLS || res.Addr != "127.0.0.1:"+strconv.Itoa(c.Port) {
		t.Errorf("%+v", res)
	}
	if !res.Databases["shop"] || res.Databases["not there"] || len(res.Databases) != 3 {
		t.Errorf("%v", res.Databases)
	}
	// One backend for each database: no probe beside the login, and libpq's
	// question for TLS goes over the same connection.
	if received != 4 {
		t.Errorf("%d connections for 4 databases", received)
	}
}

// TestEveryMajor: what a server says of itself unasked differs by major, above
// all a standby's.
func TestEveryMajor(t *testing.T) {
	for _, major := range []string{"12", "13", "14", "15", "16", "17", "18"} {
		t.Run(major, func(t *testing.T) {
			c := launchMajor(t, major)
			t.Cleanup(c.Remove)
			for _, standby := range []bool{false, true} {
				if standby {
					if err := c.Stop(syscall.SIGINT); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(c.Dir, "standby.signal"), nil, 0o644); err != nil {
						t.Fatal(err)
					}
					if err := c.Start(); err != nil {
						t.Fatal(err)
					}
				}
				res, err := pglogin.Login(t.Context(), config(c))
				if err != nil {
					t.Fatal(err)
				}
				want := sql(t, c, "SELECT current_setting('server_version_num') || ' ' || system_identifier FROM pg_control_system()")
				if got := strconv.Itoa(res.VersionNum) + " " + res.SystemIdentifier; got != want || res.User != "odoo" || res.InRecovery != standby {
					t.Errorf("standby %v: %+v, psql says %s", standby, res, want)
				}
			}
		})
	}
}

// TestIdentityRevoked: managed services take the function away.
func TestIdentityRevoked(t *testing.T) {
	c := shared(t)
	sql(t, c, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
	defer sql(t, c, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
	res, err := pglogin.Login(t.Context(), config(c))
	if err != nil || res.SystemIdentifier != "" || res.Major() != 15 {
		t.Errorf("%+v %v", res, err)
	}
}

// TestEnvironment: what Config leaves open is libpq's, the user always
// explicit.
func TestEnvironment(t *testing.T) {
	c := shared(t)
	t.Setenv("PGHOST", "127.0.0.1")
	t.Setenv("PGPORT", strconv.Itoa(c.Port))
	t.Setenv("PGUSER", "odoo")
	t.Setenv("PGPASSWORD", password)
	t.Setenv("PGDATABASE", "not_consulted")
	if res, err := pglogin.Login(t.Context(), pglogin.Config{}); err != nil || res.User != "odoo" {
		t.Errorf("%+v %v", res, err)
	}
	if u := (pglogin.Config{}).EffectiveUser(); u != "odoo" {
		t.Errorf("user %q", u)
	}
	// Config beats the environment, also with what is wrong.
	_, err := pglogin.Login(t.Context(), pglogin.Config{User: "other"})
	wantReason(t, err, pglogin.WrongPassword)
}

// TestService: the service's user comes before PGUSER, as the rest of it does.
func TestService(t *testing.T) {
	c := shared(t)
	file := filepath.Join(t.TempDir(), "service.conf")
	text := "[shop]\nhost=127.0.0.1\nport=" + strconv.Itoa(c.Port) + "\nuser=odoo\npassword=" + password + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", file)
	t.Setenv("PGSERVICE", "shop")
	t.Setenv("PGUSER", "nobody")
	if u := (pglogin.Config{}).EffectiveUser(); u != "odoo" {
		t.Errorf("user %q", u)
	}
	if res, err := pglogin.Login(t.Context(), pglogin.Config{}); err != nil || res.User != "odoo" {
		t.Errorf("%+v %v", res, err)
	}
	_, err := pglogin.Login(t.Context(), pglogin.Config{User: "nobody"})
	wantReason(t, err, pglogin.WrongPassword)
}

func wantReason(t *testing.T, err error, want pglogin.Reason) *pglogin.Error {
	t.Helper()
	var e *pglogin.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v, want %s", err, want)
	}
	if e.Reason != want {
		t.Fatalf("%s, want %s: %v", e.Reason, want, err)
	}
	return e
}

func TestTLS(t *testing.T) {
	c := start(t)
	login := func(host, mode string) (*pglogin.Result, error) {
		cfg := config(c)
		cfg.Host, cfg.SSLMode = host, mode
		return pglogin.Login(t.Context(), cfg)
	}
	t.Run("server without", func(t *testing.T) {
		for _, mode := range []string{"require", "verify-ca", "verify-full"} {
			_, err := login("127.0.0.1", mode)
			if e := wantReason(t, err, pglogin.TLS); e.Transient() || strings.Contains(e.Next(), "sslmode") || e.Misconfigured() != (mode != "require") {
				t.Errorf("%s: %v, next %s", mode, e, e.Next())
			}
		}
		for _, mode := range []string{"", "prefer", "allow", "disable"} {
			if res, err := login("127.0.0.1", mode); err != nil || res.TLS {
				t.Errorf("%s: %+v %v", mode, res, err)
			}
		}
	})
	root := withTLS(t, c)
	t.Run("server with", func(t *testing.T) {
		for mode, encrypted := range map[string]bool{"": true, "prefer": true, "require": true, "allow": false, "disable": false} {
			if res, err := login("127.0.0.1", mode); err != nil || res.TLS != encrypted {
				t.Errorf("%q: %+v %v", mode, res, err)
			}
		}
	})
	t.Run("unknown authority", func(t *testing.T) {
		_, err := login("localhost", "verify-full")
		// libpq takes the system's authorities only where it is told to.
		if e := wantReason(t, err, pglogin.TLS); !strings.Contains(e.Error(), "PGSSLROOTCERT") {
			t.Errorf("%v", e)
		}
		t.Setenv("PGSSLROOTCERT", "system")
		if _, err := login("localhost", "verify-full"); !strings.Contains(wantReason(t, err, pglogin.TLS).Error(), "certificate") {
			t.Errorf("%v", err)
		}
	})
	t.Run("no such file", func(t *testing.T) {
		t.Setenv("PGSSLROOTCERT", root+".absent")
		for _, mode := range []string{"", "prefer", "require"} {
			if res, err := login("127.0.0.1", mode); err != nil || !res.TLS {
				t.Errorf("%q: %+v %v", mode, res, err)
			}
		}
		_, err := login("localhost", "verify-ca")
		wantReason(t, err, pglogin.TLS)
	})
	t.Run("known authority", func(t *testing.T) {
		t.Setenv("PGSSLROOTCERT", root)
		if res, err := login("localhost", "verify-full"); err != nil || !res.TLS {
			t.Errorf("%+v %v", res, err)
		}
		if res, err := login("127.0.0.1", "verify-ca"); err != nil || !res.TLS {
			t.Errorf("%+v %v", res, err)
		}
		_, err := login("127.0.0.1", "verify-full")
		wantReason(t, err, pglogin.TLS)
	})
	t.Run("a refusal over TLS stays a refusal", func(t *testing.T) {
		cfg := config(c)
		cfg.Password = "wrong"
		_, err := pglogin.Login(t.Context(), cfg)
		wantReason(t, err, pglogin.WrongPassword)
		cfg.User = "nobody"
		_, err = pglogin.Login(t.Context(), cfg)
		wantReason(t, err, pglogin.WrongPassword)
	})
}

// TestSeveralHosts: the first that answers, as libpq does.
func TestSeveralHosts(t *testing.T) {
	c := shared(t)
	cfg := config(c)
	cfg.Host = "127.0.0.2,127.0.0.1"
	res, err := pglogin.Login(t.Context(), cfg)
	if err != nil || !strings.HasPrefix(res.Addr, "127.0.0.1:") {
		t.Errorf("%+v %v", res, err)
	}
	// A refusal ends the matter, whatever the others say.
	cfg.Password = "wrong"
	_, err = pglogin.Login(t.Context(), cfg)
	wantReason(t, err, pglogin.WrongPassword)
}

// TestConfigIsRefused: before anything is tried, and without the value.
func TestConfigIsRefused(t *testing.T) {
	for name, cfg := range map[string]pglogin.Config{
		"URL":            {Host: "postgres://odoo:topsecret@h/db", User: "odoo"},
		"keywords":       {Host: "host=h password=topsecret", User: "odoo"},
		"user@host":      {Host: "odoo:topsecret@h", User: "odoo"},
		"port":           {Host: "h", Port: 70000, User: "odoo"},
		"negative port":  {Host: "h", Port: -1, User: "odoo"},
		"sslmode":        {Host: "h", User: "odoo", SSLMode: "topsecret"},
		"zero byte":      {Host: "h", User: "odoo", Password: "topsecret\x00"},
		"zero byte name": {Host: "h", User: "odoo", Also: []string{"\x00topsecret"}},
	} {
		_, err := pglogin.Login(t.Context(), cfg)
		e := wantReason(t, err, pglogin.Settings)
		if strings.Contains(e.Error()+e.Next(), "topsecret") || e.Transient() {
			t.Errorf("%s: %v", name, e)
		}
	}
	for name, env := range map[string]string{"PGPORT": "topsecret", "PGHOST": "odoo:topsecret@h", "PGSSLMODE": "topsecret", "PGSERVICEFILE": "/topsecret"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PGHOST", "127.0.0.1")
			t.Setenv(name, env)
			if name == "PGSERVICEFILE" {
				t.Setenv("PGSERVICE", "topsecret")
			}
			_, err := pglogin.Login(t.Context(), pglogin.Config{User: "odoo"})
			e := wantReason(t, err, pglogin.Settings)
			for err := error(e); err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "topsecret") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestQuoting: names and passwords reach the server as they are.
func TestQuoting(t *testing.T) {
	c := shared(t)
	for _, name := range []string{"my-role", "Ödoo", `a"b`, `it's`, `back\slash`, "with space", "dollar$1", "100%"} {
		ident := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		sql(t, c, "CREATE ROLE "+ident+" LOGIN PASSWORD '"+strings.ReplaceAll(name, "'", "''")+"'", "CREATE DATABASE "+ident+" OWNER "+ident)
		cfg := config(c)
		cfg.User, cfg.Password, cfg.Also = name, name, []string{name}
		res, err := pglogin.Login(t.Context(), cfg)
		if err != nil || res.User != name || !res.Databases[name] {
			t.Errorf("%s: %+v %v", name, res, err)
		}
		cfg.Password = "wrong"
		_, err = pglogin.Login(t.Context(), cfg)
		if e := wantReason(t, err, pglogin.WrongPassword); e.User != name {
			t.Errorf("%q", e.User)
		}
	}
}

// TestSilentPeer: the attempt ends although pgconn sets no limit.
func TestSilentPeer(t *testing.T) {
	port := proxy(t, 0, func(_ int, c net.Conn) bool { time.Sleep(time.Minute); return false })
	start := time.Now()
	_, err := pglogin.Login(t.Context(), pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo", AttemptTimeout: 200 * time.Millisecond})
	if e := wantReason(t, err, pglogin.Timeout); !e.Transient() {
		t.Error("not transient")
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
}

// TestCancelled: the cause of the context comes back, not an *Error.
func TestCancelled(t *testing.T) {
	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(mine) })
	_, err := pglogin.Wait(ctx, pglogin.Config{Host: "127.0.0.1", Port: 1, User: "odoo"}, pglogin.WaitOptions{})
	if !errors.Is(err, mine) {
		t.Error(err)
	}
}
