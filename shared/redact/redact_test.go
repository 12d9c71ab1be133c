package redact

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestText: what is a secret by its place.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"db_password = s3cret":                                  "db_password = ***",
		"admin_passwd=s3cret":                                   "admin_passwd=***",
		"      POSTGRES_PASSWORD: s3cret":                       "      POSTGRES_PASSWORD: ***",
		`      - "PASSWORD=s3cret"`:                             `      - "PASSWORD=***"`,
		"      - PASSWORD=a b, c":                               "      - PASSWORD=***",
		"smtp_password = a b c\r\nx = 1":                        "smtp_password = ***\r\nx = 1",
		"      SECRET_TOKEN: s3cret":                            "      SECRET_TOKEN: ***",
		"export PGPASSWORD='a b'":                               "export PGPASSWORD='***'",
		"# db_password = old":                                   "# db_password = ***",
		"-db_password = s3cret":                                 "-db_password = ***",
		`  "db_default_admin_password": "s3\"cret",`:            `  "db_default_admin_password": "***",`,
		`{"password": "a", "user": "b", "pwd":"c"}`:             `{"password": "***", "user": "b", "pwd":"***"}`,
		"environment: [HOST=db, PASSWORD=s3, USER=odoo]":        "environment: [HOST=db, PASSWORD=***, USER=odoo]",
		`environment: ["PASSWORD=a,b", 'X=1']`:                  `environment: ["PASSWORD=***", 'X=1']`,
		"environment: {PASSWORD: s3, USER: odoo}":               "environment: {PASSWORD: ***, USER: odoo}",
		`environment: {PASSWORD: "s, 3", USER: odoo}`:           `environment: {PASSWORD: "***", USER: odoo}`,
		`environment: {"PASSWORD": 's''3', USER: odoo}`:         `environment: {"PASSWORD": '***', USER: odoo}`,
		"command: odoo --db_password=s3 -d x":                   "command: odoo --db_password=*** -d x",
		"command: odoo --db_password s3 -d x":                   "command: odoo --db_password *** -d x",
		"command: odoo -w s3 -d x":                              "command: odoo -w *** -d x",
		`command: "odoo --db_password=s3"`:                      `command: "odoo --db_password=***"`,
		`command: "odoo -w s3"`:                                 `command: "odoo -w ***"`,
		`command: ["odoo", "--db_password", "s3", "-d"]`:        `command: ["odoo", "--db_password", "***", "-d"]`,
		`command: ["odoo", "--db_password=s,3", "-d"]`:          `command: ["odoo", "--db_password=***", "-d"]`,
		`command: [odoo, -w, s3, -d]`:                           `command: [odoo, -w, ***, -d]`,
		"command:\n  - odoo\n  - --db_password\n  - s3\n  - -d": "command:\n  - odoo\n  - --db_password\n  - ***\n  - -d",
		"command:\n  - \"-w\"\n  - \"s3\"\n  - -d":              "command:\n  - \"-w\"\n  - \"***\"\n  - -d",
		"psql -w -d odoo":                                       "psql -w -d odoo",
		`command: sh -c "odoo --db_password='a b' -d x"`:        `command: sh -c "odoo --db_password='***' -d x"`,
		"A_PASSWORD: |\n  one\n  two\nB: 1":                     "A_PASSWORD: |\n  ***\n  ***\nB: 1",
		"A_PASSWORD:\n    one\nB: 1":                            "A_PASSWORD:\n    ***\nB: 1",
		"A_PASSWORD: one\n  two\nB: 1":                          "A_PASSWORD: ***\n  ***\nB: 1",
		"A_PASSWORD: \"one\n  two\"\nB: 1":                      "A_PASSWORD: \"***\n***\"\nB: 1",
		"url: postgresql://u:s3@h/db":                           "url: postgresql://u:***@h/db",
		"url: postgresql://u:s3@cr@h/db":                        "url: postgresql://u:***@h/db",
		"url: postgresql://:s3@h/db?x=1":                        "url: postgresql://:***@h/db?x=1",
		"url: postgresql://h/db?password=s3&x=1":                "url: postgresql://h/db?password=***&x=1",
		"dsn: host=db password=s3 user=odoo":                    "dsn: host=db password=*** user=odoo",
		"dsn: host=db password='s 3' user=odoo":                 "dsn: host=db password='***' user=odoo",
		"ALTER ROLE odoo PASSWORD 's3' LOGIN":                   "ALTER ROLE odoo PASSWORD '***' LOGIN",
		"Authorization: Bearer s3":                              "Authorization: ***",
		"API_KEY=s3":                                            "API_KEY=***",
		"dbPass: s3":                                            "dbPass: ***",
		"DB_PASS: s3":                                           "DB_PASS: ***",
		"ODOO_PW=s3":                                            "ODOO_PW=***",
		// No secrets.
		"      POSTGRES_PASSWORD_FILE: /run/secrets/pw": "      POSTGRES_PASSWORD_FILE: /run/secrets/pw",
		"POSTGRES_PASSWORD: ${ODOO_PASS}":               "POSTGRES_PASSWORD: ${ODOO_PASS}",
		"POSTGRES_PASSWORD: ${ODOO_PASS:-s3}":           "POSTGRES_PASSWORD: ***",
		"secrets:\n  pgpw:\n    file: ./pw":             "secrets:\n  pgpw:\n    file: ./pw",
		"secrets:\n  pw: {file: ./pw}":                  "secrets:\n  pw: {file: ./pw}",
		"secrets:\n  a_password:\n    file: ./pw":       "secrets:\n  a_password:\n    file: ./pw",
		"A_PASSWORD: |\n  one: x\nB: 1":                 "A_PASSWORD: |\n  ***\nB: 1",
		"PWD=/srv/odoo":                                 "PWD=/srv/odoo",
		"secrets: [pgpw]":                               "secrets: [pgpw]",
		"db_user = odoo":                                "db_user = odoo",
		"list_db = False":                               "list_db = False",
		"bypass: yes":                                   "bypass: yes",
		"# the password is elsewhere":                   "# the password is elsewhere",
		"PASSWORD:\nUSER: odoo":                         "PASSWORD:\nUSER: odoo",
		"image: odoo:17.0":                              "image: odoo:17.0",
	} {
		if got := Text(in); got != want {
			t.Errorf("\n in  %q\n got %q\nwant %q", in, got, want)
		}
	}
}

// TestHide: a value that is known is hidden in every form that somebody writes
// it in, wherever it stands.
func TestHide(t *testing.T) {
	for _, secret := range []string{
		"correct horse battery", `a"b\c'd$e%f`, "пароль-секрет", "p@ss:w/rd?#&+", "$ecret$$", "tab\tand\nnewline!", "<script>&amp;", "100%sure", `\\server\x`,
	} {
		v := &Values{}
		v.Add(secret)
		for _, text := range written(secret) {
			line := "before " + text + " after"
			if got := v.Hide(line); got != "before *** after" {
				t.Errorf("%q in the form %q: %q", secret, text, got)
			}
		}
		for _, text := range []string{
			fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret), "postgresql://odoo:" + strings.ReplaceAll(everyByte(secret), "%2E", ".") + "@db/odoo",
			"x" + secret + "y",
		} {
			if got := v.Hide(text); strings.Contains(got, secret) || !strings.Contains(got, Mask) {
				t.Errorf("%q in %q: %q", secret, text, got)
			}
		}
	}
}

// TestShort: short and common values must not leave a text that nobody can read.
func TestShort(t *testing.T) {
	v := &Values{}
	v.Public("acme-db", "17.0")
	v.Add("", " ", "a", "tspw", "odoo", "Postgres", "acme-db", "5432", "17.0", "12345678901")
	const text = "service odoo of image odoo:17.0 on port 5432 talks to acme-db as postgres: a tspw, tspw2 (tspw) 'tspw' 12345678901"
	const want = "service odoo of image odoo:17.0 on port 5432 talks to acme-db as postgres: a ***, tspw2 (***) '***' ***"
	if got := v.HideText(text); got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	v.Add("wrong", "wr0ng")
	if got := v.Hide("wrong password, wr0ng password"); got != "wrong password, *** password" {
		t.Error(got)
	}
	var none *Values
	if got := none.Hide("x"); got != "x" {
		t.Error(got)
	}
}

// TestLongestFirst: one secret may be a part of another.
func TestLongestFirst(t *testing.T) {
	v := &Values{}
	v.Add("secret-part", "secret-part-and-more")
	if got := v.Hide("secret-part-and-more secret-part"); got != "*** ***" {
		t.Error(got)
	}
}

func TestLearn(t *testing.T) {
	v := &Values{}
	v.Learn("POSTGRES_PASSWORD: pa$$word1 # weak\ncommand: odoo -w oth3r\nurl: http://u:in-a-url@h\nX_TOKEN: 'it''s mine'\n")
	if got, want := v.Hide("pa$word1, pa$$word1, oth3r, in-a-url, it's mine"), "***, ***, ***, ***, ***"; got != want {
		t.Errorf("%q", got)
	}
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	v := &Values{}
	w := v.Writer(&b)
	v.Add("s3cret-value")
	if n, err := io.WriteString(w, "is s3cret-value\n"); n != 16 || err != nil || b.String() != "is ***\n" {
		t.Error(n, err, b.String())
	}
}

func FuzzText(f *testing.F) {
	f.Add("a_password: \"x\n y\"\n- -w\n- z")
	f.Fuzz(func(t *testing.T, text string) {
		shown := Text(text)
		if strings.Count(shown, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q became %q", text, shown)
		}
		v := &Values{}
		v.Learn(text)
		_ = v.Hide(text)
	})
}
