package pglogin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/shared/pglogin"
)

// libpq, and so Odoo, sends a prepared password under SCRAM and the password
// as it is under every other method.
func TestPasswordIsPreparedAsLibpqDoes(t *testing.T) {
	const wide, narrow = "ﬁx²\u200b!", "fix2 !"
	c := start(t)
	root := withTLS(t, c)
	sql(t, c, fmt.Sprintf(`CREATE ROLE scram LOGIN PASSWORD '%s'`, wide),
		`SET password_encryption = md5`, fmt.Sprintf(`CREATE ROLE md LOGIN PASSWORD '%s'`, wide),
		`RESET password_encryption`, fmt.Sprintf(`CREATE ROLE clear LOGIN PASSWORD '%s'`, narrow))
	hba := "host all md 127.0.0.1/32 md5\nhost all clear 127.0.0.1/32 password\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(c.Dir, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		t.Fatal(err)
	}
	sql(t, c, "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)")
	t.Setenv("PGSSLROOTCERT", root)
	for _, tt := range []struct {
		user, password string
		works          bool
	}{
		{"scram", wide, true}, {"scram", narrow, true}, {"scram", "ﬁx²", false},
		{"md", wide, true}, {"md", narrow, false},
		// The server prepares what it gets before it compares with a SCRAM
		// verifier, so both are right here.
		{"clear", wide, true}, {"clear", narrow, true}, {"clear", "ﬁx", false},
	} {
		for _, mode := range []string{"disable", "require"} {
			cfg := config(c)
			cfg.User, cfg.Password, cfg.SSLMode = tt.user, tt.password, mode
			_, err := pglogin.Login(t.Context(), cfg)
			switch {
			case tt.works && err != nil:
				t.Errorf("%s %q, sslmode %s: %v", tt.user, tt.password, mode, err)
			case !tt.works:
				wantReason(t, err, pglogin.WrongPassword)
			}
		}
	}
	// Channel binding needs the TLS connection itself.
	t.Setenv("PGCHANNELBINDING", "require")
	cfg := config(c)
	cfg.User, cfg.Password, cfg.SSLMode = "scram", wide, "require"
	if _, err := pglogin.Login(t.Context(), cfg); err != nil {
		t.Errorf("with channel binding: %v", err)
	}
}
