package adminpass_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
)

func TestSetAdminPassword(t *testing.T) {
	s := odoodbtest.NewServer(t)
	const db = `Kunde "A" ü`
	odoodbtest.LoadFixture(t, s, db)
	odoodbtest.MustApp(t, s, db,
		`UPDATE res_users SET active = false, totp_secret = 'x' WHERE id = 2`,
		`INSERT INTO res_users_apikeys (name, user_id, scope, index, key) VALUES ('k', 2, 'rpc', '12345678', 'z')`)
	before := odoodbtest.Value[int64](t, s, db, `SELECT last_value FROM base_cache_signaling_default`)

	const pw = `it's $1; DROP TABLE res_users --`
	rep, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Login: "chef@example.com", Password: pw})
	if err != nil {
		t.Fatal(err)
	}
	if rep.UserID != 2 || rep.XMLID != "base.user_admin" || rep.FormerLogin != "admin" || rep.OdooMajor != 18 || rep.Rounds != 600000 {
		t.Errorf("report %+v", rep)
	}
	if !rep.Inactive || !rep.TwoFactor || rep.APIKeys != 1 {
		t.Errorf("inactive, 2FA and API keys are not reported: %+v", rep)
	}
	hash := odoodbtest.Value[string](t, s, db, `SELECT password FROM res_users WHERE id = 2 AND login = 'chef@example.com'`)
	if !odoodbtest.PasslibVerifies(t, pw, hash) {
		t.Errorf("stored %s does not verify", hash)
	}
	want := []string{"base_cache_signaling_assets", "base_cache_signaling_default", "base_cache_signaling_groups",
		"base_cache_signaling_routing", "base_cache_signaling_templates", "base_registry_signaling"}
	if !slices.Equal(rep.Signalled, want) {
		t.Errorf("signalled %v", rep.Signalled)
	}
	if after := odoodbtest.Value[int64](t, s, db, `SELECT last_value FROM base_cache_signaling_default`); after <= before {
		t.Errorf("the sequence stayed at %d", after)
	}

	t.Run("a taken login is an error and changes nothing", func(t *testing.T) {
		_, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Login: "public", Password: "other"})
		if !adminpass.IsLoginTaken(err) || !strings.Contains(err.Error(), "archived user (id 4)") {
			t.Fatalf("got %v", err)
		}
		if got := odoodbtest.Value[string](t, s, db, `SELECT password FROM res_users WHERE id = 2`); got != hash {
			t.Error("the password changed all the same")
		}
	})
	t.Run("an empty login keeps the present one", func(t *testing.T) {
		rep, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Password: "other"})
		if err != nil || rep.Login != "chef@example.com" {
			t.Fatalf("got %+v, %v", rep, err)
		}
	})
	t.Run("Odoo's own parameter raises the rounds", func(t *testing.T) {
		odoodbtest.MustApp(t, s, db, `INSERT INTO ir_config_parameter (key, value) VALUES ('password.hashing.rounds', '600001')`)
		rep, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Password: "other"})
		if err != nil || rep.Rounds != 600001 {
			t.Fatalf("got %+v, %v", rep, err)
		}
	})
	t.Run("another owner is named", func(t *testing.T) {
		odoodbtest.MustAdmin(t, s, db, `ALTER TABLE res_users OWNER TO postgres`)
		_, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Password: "other"})
		if err == nil || !strings.Contains(err.Error(), s.AppRole) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestSetAdminPasswordOfOtherVersions(t *testing.T) {
	s := odoodbtest.NewServer(t)
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
			odoodbtest.OldOdoo(t, s, db, tc.version, tc.extra...)
			rep, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Password: "neu"})
			if err != nil {
				t.Fatal(err)
			}
			if rep.Rounds != tc.rounds || rep.XMLID != tc.xmlid || len(rep.Signalled) != tc.signals {
				t.Errorf("report %+v", rep)
			}
			hash := odoodbtest.Value[string](t, s, db, `SELECT `+tc.column+` FROM res_users WHERE id = $1`, rep.UserID)
			if !strings.HasPrefix(hash, "$pbkdf2-sha512$"+strconv.Itoa(tc.rounds)+"$") || !odoodbtest.PasslibVerifies(t, "neu", hash) {
				t.Errorf("stored %q", hash)
			}
			if tc.signals > 0 && tc.version[:2] == "19" {
				if n := odoodbtest.Value[int](t, s, db, `SELECT count(*)::int FROM orm_signaling_default`); n != 1 {
					t.Errorf("%d rows of signal", n)
				}
			}
		})
	}
	t.Run("not an Odoo database", func(t *testing.T) {
		if err := create.Empty(ctx, s, "empty", create.Options{Unaccent: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := adminpass.Set(ctx, s, adminpass.Password{Database: "not there", Password: "x"}); !server.IsMissing(err) {
			t.Errorf("a database that does not exist: %v", err)
		}
		if _, err := adminpass.Set(ctx, s, adminpass.Password{Database: "empty", Password: "x"}); !tables.IsNotOdoo(err) {
			t.Errorf("got %v", err)
		}
	})
}

// TestHashIsNotLogged: the role is no superuser and cannot switch the server's
// log off; the hash is in nothing that can be logged, also where it is refused.
func TestHashIsNotLogged(t *testing.T) {
	s, c, _ := odoodbtest.LegacyServer(t, 15, "")
	odoodbtest.OldOdoo(t, s, "prod", "15.0.1.3", `INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER SYSTEM SET log_parameter_max_length_on_error = -1`, `ALTER SYSTEM SET log_error_verbosity = verbose`, `SELECT pg_reload_conf()`)
	if _, err := adminpass.Set(ctx, s, adminpass.Password{Database: "prod", Password: "neu", Login: `a\tb "x"`}); err != nil {
		t.Fatal(err)
	}
	hash := odoodbtest.Value[string](t, s, "prod", `SELECT password FROM res_users WHERE id = 2 AND login = E'a\\tb "x"'`)
	if !odoodbtest.PasslibVerifies(t, "neu", hash) {
		t.Errorf("stored %q", hash)
	}
	for _, refuse := range []string{`ALTER TABLE res_users ADD CHECK (password = '') NOT VALID`, `ALTER TABLE res_users ALTER password TYPE varchar(20) USING ''`} {
		odoodbtest.MustApp(t, s, "prod", refuse)
		if _, err := adminpass.Set(ctx, s, adminpass.Password{Database: "prod", Password: "neu"}); err == nil {
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
	s := odoodbtest.NewServer(t)
	for _, rounds := range []string{"2000000000", "99999999999999999999999"} {
		db := "rounds" + rounds
		odoodbtest.OldOdoo(t, s, db, "18.0.1.3", `INSERT INTO ir_model_data VALUES ('base', 'user_admin', 'res.users', 2)`,
			`INSERT INTO ir_config_parameter VALUES ('password.hashing.rounds', '`+rounds+`')`)
		_, err := adminpass.Set(ctx, s, adminpass.Password{Database: db, Password: "neu"})
		if err == nil || !strings.Contains(err.Error(), rounds) || !strings.Contains(err.Error(), "DELETE FROM public.ir_config_parameter") {
			t.Errorf("got %v", err)
		}
	}
}
