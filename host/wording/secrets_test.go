package wording

import "testing"

func TestMaskSecrets(t *testing.T) {
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
		if got := MaskSecrets(in); got != want {
			t.Errorf("MaskSecrets(%q) = %q, want %q", in, got, want)
		}
	}
}
