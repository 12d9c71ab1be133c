package odoodb

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pythonVerifies recomputes a hash with Python's hashlib, the way passlib's
// pbkdf2_sha512 reads it.
func pythonVerifies(t *testing.T, password, hash string) bool {
	t.Helper()
	script := `
import base64, hashlib, sys
_, scheme, rounds, salt, checksum = sys.argv[2].split('$')
ab64 = lambda s: base64.b64decode(s.replace('.', '+') + '=' * (-len(s) % 4))
assert scheme == 'pbkdf2-sha512' and len(ab64(salt)) == 16 and len(ab64(checksum)) == 64
key = hashlib.pbkdf2_hmac('sha512', bytes.fromhex(sys.argv[1]), ab64(salt), int(rounds))
print(key == ab64(checksum))`
	out, err := exec.Command("python3", "-c", script, hex.EncodeToString([]byte(password)), hash).CombinedOutput()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out)) == "True"
}

func TestHashIsPasslibs(t *testing.T) {
	// Made by Odoo 18 itself (the fixture's user admin).
	const odoos = "$pbkdf2-sha512$600000$FiIEoNQag7DWOuecc04J4Q$p9PlegQUhNlIkOC8WPonOTRTCmCo/Q2hW5gUZmpxHAPrRePJSvWsrbIr0S4FYMOBSUMvz/iery65ADYEg4MECw"
	if !pythonVerifies(t, "admin", odoos) {
		t.Fatal("the oracle does not verify Odoo's own hash")
	}
	for _, pw := range []string{"admin", "pä$$ 'word\\", strings.Repeat("x", 300)} {
		hash, err := hashPassword(ctx, pw, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if !pythonVerifies(t, pw, hash) || pythonVerifies(t, pw+"x", hash) {
			t.Errorf("%q: %s is not what passlib makes", pw, hash)
		}
	}
	// The two characters in which passlib's alphabet differs from the URL-safe one.
	if got := ab64.EncodeToString([]byte{0xfb, 0xff, 0xfe}); got != strings.ReplaceAll(base64.RawStdEncoding.EncodeToString([]byte{0xfb, 0xff, 0xfe}), "+", ".") {
		t.Errorf("ab64 gives %s", got)
	}
}

func TestSetAdminPassword(t *testing.T) {
	s := newServer(t)
	const db = `Kunde "A" ü`
	loadFixture(t, s, db)
	mustApp(t, s, db,
		`UPDATE res_users SET active = false, totp_secret = 'x' WHERE id = 2`,
		`INSERT INTO res_users_apikeys (name, user_id, scope, index, key) VALUES ('k', 2, 'rpc', '12345678', 'z')`)
	before := value[int64](t, s, db, `SELECT last_value FROM base_cache_signaling_default`)

	const pw = `it's $1; DROP TABLE res_users --`
	rep, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Login: "chef@example.com", Password: pw})
	if err != nil {
		t.Fatal(err)
	}
	if rep.UserID != 2 || rep.XMLID != "base.user_admin" || rep.FormerLogin != "admin" || rep.OdooMajor != 18 || rep.Rounds != 600000 {
		t.Errorf("report %+v", rep)
	}
	if !rep.Inactive || !rep.TwoFactor || rep.APIKeys != 1 {
		t.Errorf("inactive, 2FA and API keys are not reported: %+v", rep)
	}
	hash := value[string](t, s, db, `SELECT password FROM res_users WHERE id = 2 AND login = 'chef@example.com'`)
	if !pythonVerifies(t, pw, hash) {
		t.Errorf("stored %s does not verify", hash)
	}
	want := []string{"base_cache_signaling_assets", "base_cache_signaling_default", "base_cache_signaling_groups",
		"base_cache_signaling_routing", "base_cache_signaling_templates", "base_registry_signaling"}
	if !slices.Equal(rep.Signalled, want) {
		t.Errorf("signalled %v", rep.Signalled)
	}
	if after := value[int64](t, s, db, `SELECT last_value FROM base_cache_signaling_default`); after <= before {
		t.Errorf("the sequence stayed at %d", after)
	}

	t.Run("a taken login is an error and changes nothing", func(t *testing.T) {
		_, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Login: "public", Password: "other"})
		if !IsLoginTaken(err) || !strings.Contains(err.Error(), "archived user (id 4)") {
			t.Fatalf("got %v", err)
		}
		if got := value[string](t, s, db, `SELECT password FROM res_users WHERE id = 2`); got != hash {
			t.Error("the password changed all the same")
		}
	})
	t.Run("an empty login keeps the present one", func(t *testing.T) {
		rep, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Password: "other"})
		if err != nil || rep.Login != "chef@example.com" {
			t.Fatalf("got %+v, %v", rep, err)
		}
	})
	t.Run("Odoo's own parameter raises the rounds", func(t *testing.T) {
		mustApp(t, s, db, `INSERT INTO ir_config_parameter (key, value) VALUES ('password.hashing.rounds', '600001')`)
		rep, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Password: "other"})
		if err != nil || rep.Rounds != 600001 {
			t.Fatalf("got %+v, %v", rep, err)
		}
	})
	t.Run("another owner is named", func(t *testing.T) {
		mustAdmin(t, s, db, `ALTER TABLE res_users OWNER TO postgres`)
		_, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Password: "other"})
		if err == nil || !strings.Contains(err.Error(), s.AppRole) {
			t.Fatalf("got %v", err)
		}
	})
}

// oldOdoo makes the few tables that the administrator's password touches, as
// they were in a version that there is no archive of.
func oldOdoo(t *testing.T, s *Server, db, version string, extra ...string) {
	t.Helper()
	if err := s.Create(ctx, db, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	mustApp(t, s, db, append([]string{
		`CREATE TABLE ir_module_module (name varchar, state varchar, latest_version varchar)`,
		`INSERT INTO ir_module_module VALUES ('base', 'installed', '` + version + `')`,
		`CREATE TABLE ir_model_data (module varchar, name varchar, model varchar, res_id int)`,
		`CREATE TABLE ir_config_parameter (key varchar PRIMARY KEY, value text NOT NULL)`,
		`CREATE TABLE res_users (id int PRIMARY KEY, login varchar UNIQUE, active bool, password varchar)`,
		`INSERT INTO res_users VALUES (1, 'admin', true, ''), (2, 'second', true, '')`,
		`INSERT INTO ir_model_data VALUES ('base', 'user_root', 'res.users', 1)`,
	}, extra...)...)
}

func TestSetAdminPasswordOfOtherVersions(t *testing.T) {
	s := newServer(t)
	for _, tc := range []struct {
		version string
		rounds  int
		xmlid   string
		column  string
		extra   []string
		signals int
	}{
		{"11.0.1.3", 25000, "base.user_root", "password_crypt", []string{`ALTER TABLE res_users ADD password_crypt varchar`, `CREATE SEQUENCE base_registry_signaling`, `CREATE SEQUENCE base_cache_signaling`}, 2},
		{"12.0.1.3", 25000, "base.user_admin", "password", []string{`INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`, `CREATE SEQUENCE base_registry_signaling`}, 1},
		{"15.0.1.3", 25000, "base.user_admin", "password", []string{`INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`}, 0},
		{"16.0.1.3", 600000, "base.user_admin", "password", []string{`INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`}, 0},
		{"19.0.1.3", 600000, "base.user_admin", "password", []string{`INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`,
			`CREATE TABLE orm_signaling_registry (id serial PRIMARY KEY, date timestamp DEFAULT now())`, `CREATE TABLE orm_signaling_default (id serial PRIMARY KEY, date timestamp DEFAULT now())`}, 2},
	} {
		t.Run(tc.version, func(t *testing.T) {
			db := "v" + tc.version
			oldOdoo(t, s, db, tc.version, tc.extra...)
			rep, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Password: "neu"})
			if err != nil {
				t.Fatal(err)
			}
			if rep.Rounds != tc.rounds || rep.XMLID != tc.xmlid || len(rep.Signalled) != tc.signals {
				t.Errorf("report %+v", rep)
			}
			hash := value[string](t, s, db, `SELECT `+tc.column+` FROM res_users WHERE id = $1`, rep.UserID)
			if !strings.HasPrefix(hash, "$pbkdf2-sha512$"+strconv.Itoa(tc.rounds)+"$") || !pythonVerifies(t, "neu", hash) {
				t.Errorf("stored %q", hash)
			}
			if tc.signals > 0 && tc.version[:2] == "19" {
				if n := value[int](t, s, db, `SELECT count(*)::int FROM orm_signaling_default`); n != 1 {
					t.Errorf("%d rows of signal", n)
				}
			}
		})
	}
	t.Run("not an Odoo database", func(t *testing.T) {
		if err := s.Create(ctx, "empty", CreateOptions{Unaccent: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetAdminPassword(ctx, AdminPassword{Database: "not there", Password: "x"}); !IsMissing(err) {
			t.Errorf("a database that does not exist: %v", err)
		}
		if _, err := s.SetAdminPassword(ctx, AdminPassword{Database: "empty", Password: "x"}); !IsNotOdoo(err) {
			t.Errorf("got %v", err)
		}
	})
}

// TestHashIsNotLogged: the role is no superuser and cannot switch the server's
// log off; the hash is in nothing that can be logged, also where it is refused.
func TestHashIsNotLogged(t *testing.T) {
	s, c, _ := legacyServer(t, 15, "")
	oldOdoo(t, s, "prod", "15.0.1.3", `INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`)
	mustAdmin(t, s, maintenance, `ALTER SYSTEM SET log_parameter_max_length_on_error = -1`, `ALTER SYSTEM SET log_error_verbosity = verbose`, `SELECT pg_reload_conf()`)
	if _, err := s.SetAdminPassword(ctx, AdminPassword{Database: "prod", Password: "neu", Login: `a\tb "x"`}); err != nil {
		t.Fatal(err)
	}
	hash := value[string](t, s, "prod", `SELECT password FROM res_users WHERE id = 2 AND login = E'a\\tb "x"'`)
	if !pythonVerifies(t, "neu", hash) {
		t.Errorf("stored %q", hash)
	}
	for _, refuse := range []string{`ALTER TABLE res_users ADD CHECK (password = '') NOT VALID`, `ALTER TABLE res_users ALTER password TYPE varchar(20) USING ''`} {
		mustApp(t, s, "prod", refuse)
		if _, err := s.SetAdminPassword(ctx, AdminPassword{Database: "prod", Password: "neu"}); err == nil {
			t.Error("no error")
		}
	}
	if log := c.Log(); strings.Contains(log, "pbkdf2") || strings.Contains(log, hash[len(hash)-40:]) || !strings.Contains(log, "res_users") {
		for line := range strings.SplitSeq(log, "\n") {
			if strings.Contains(line, "pbkdf2") || strings.Contains(line, hash[len(hash)-40:]) {
				t.Errorf("the log has: %.300s", line)
			}
		}
		t.Error("the hash is in the server's log, or nothing is")
	}
}

// TestManyRounds: a parameter of the database does not keep odpm busy for hours.
func TestManyRounds(t *testing.T) {
	s := newServer(t)
	for _, rounds := range []string{"2000000000", "99999999999999999999999"} {
		db := "rounds" + rounds
		oldOdoo(t, s, db, "18.0.1.3", `INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`,
			`INSERT INTO ir_config_parameter VALUES ('password.hashing.rounds', '`+rounds+`')`)
		_, err := s.SetAdminPassword(ctx, AdminPassword{Database: db, Password: "neu"})
		if err == nil || !strings.Contains(err.Error(), rounds) || !strings.Contains(err.Error(), "DELETE FROM public.ir_config_parameter") {
			t.Errorf("got %v", err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, err := hashPassword(short, "x", maxRounds); !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}
