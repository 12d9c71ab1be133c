package plan

import (
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"db_password = s3cret":                          "db_password = ***",
		"admin_passwd=s3cret":                           "admin_passwd=***",
		"      POSTGRES_PASSWORD: s3cret":               "      POSTGRES_PASSWORD: ***",
		`      - "PASSWORD=s3cret"`:                     `      - "PASSWORD=***`,
		"smtp_password = a b c\r":                       "smtp_password = ***\r",
		"      SECRET_TOKEN: s3cret":                    "      SECRET_TOKEN: ***",
		"url: postgresql://u:s3cret@h/db":               "url: postgresql://u:***@h/db",
		"      POSTGRES_PASSWORD_FILE: /run/secrets/pw": "      POSTGRES_PASSWORD_FILE: /run/secrets/pw",
		"secrets:":                    "secrets:",
		"db_user = odoo":              "db_user = odoo",
		"list_db = False":             "list_db = False",
		"# the password is elsewhere": "# the password is elsewhere",
		`  "db_default_admin_password": "s3cret",`: `  "db_default_admin_password": ***`,
		"-db_password = s3cret":                    "-db_password = ***",
	} {
		if got := mask(in); got != want {
			t.Errorf("mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDiffFiles(t *testing.T) {
	if d := diffFiles("a", []byte("x\n"), []byte("x\n")); d != nil {
		t.Errorf("the same: %+v", d)
	}
	d := diffFiles("odoo.conf", []byte("[options]\ndb_host = a\ndb_password = one\n"), []byte("[options]\ndb_host = b\ndb_password = one\n"))
	if d.Summary != "(+1 -1)" || strings.Contains(d.Unified, "one") || !strings.HasPrefix(d.Unified, "@@") {
		t.Errorf("%+v", d)
	}
	// A change of nothing but a secret is told without showing either.
	d = diffFiles("odoo.conf", []byte("db_password = one\n"), []byte("db_password = two\n"))
	if d == nil || d.Summary != "(a secret changes)" || d.Unified != "" {
		t.Errorf("%+v", d)
	}
}

func TestCommandLine(t *testing.T) {
	s := &Session{Options: Options{Args: []string{"-C", "/srv/my project", "--skip-start"}}}
	if got := s.CommandLine(nil); got != "odpm -C '/srv/my project' --skip-start" {
		t.Error(got)
	}
}

func TestProposePrefix(t *testing.T) {
	for dir, want := range map[string]string{"/srv/acme/odoo": "acme-odoo", "/": "acme", "/1/2x": "x", "/srv/Ärger_Shop": "srv-rger-shop"} {
		if got := proposePrefix(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}
