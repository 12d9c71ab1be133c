package foreign

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
)

// What a file says by reference, ${…} or env_file, is carried over as that, and
// means the same afterwards.
func TestReferences(t *testing.T) {
	env := "DB_PASSWORD=dbs3cret\nSMTP=smtps3cret\nMAIL_PASSWORD=mails3cret\nTOKEN=tokens3cret\n"
	service := `{image: "acme/odoo:17.0", environment: {DB_HOST: db, MAIL_PASSWORD: "${MAIL_PASSWORD}"}, env_file: [odoo.env, .env], command: ["odoo", "--smtp-password=${SMTP}"], volumes: ["./data:/var/lib/odoo"]}`
	database := `{image: "postgres:15", env_file: db.env, environment: ["POSTGRES_USER=erp"], volumes: ["./pg:/var/lib/postgresql/data"]}`
	jobs := `{image: acme/jobs, env_file: [{path: jobs.env, required: false}], environment: ["JOB_TOKEN=${TOKEN:?unset}", PASSED], labels: {secret: "${TOKEN}"}}`
	files := map[string]string{
		".env": env, "odoo.env": "DB_PASSWORD=dbs3cret\nADMIN_PASSWORD=admins3cret\nODOO_RC=/somewhere\n",
		"db.env": "POSTGRES_PASSWORD=dbs3cret\nPGDATA=/var/lib/postgresql/data/pgdata\nSTANDBY_PASSWORD=standbys3cret\n", "jobs.env": "JOB_PASSWORD=jobs3cret\n",
		"inner/all.yml":   "services:\n  jobs: " + jobs + "\n",
		"inner/jobs.env":  "JOB_PASSWORD=jobs3cret\n",
		"inner/base.yml":  "services:\n  base: " + strings.ReplaceAll(jobs, "jobs.env", "../jobs.env") + "\n",
		"secrets/pass.in": "x",
	}
	for name, text := range map[string]string{
		"one file": "services:\n  odoo: " + service + "\n  db: " + database + "\n  jobs: " + jobs + "\n",
		"included": "include: [inner/all.yml]\nservices:\n  odoo: " + service + "\n  db: " + database + "\n",
		"extended": "services:\n  odoo: " + service + "\n  db: " + database + "\n  jobs: {extends: {file: inner/base.yml, service: base}}\n",
	} {
		f := readText(t, text, files)
		loaded, d := inItsPlace(t, f, "odoo", env)
		if strings.Contains(string(d.Override), "s3cret") {
			t.Errorf("%s: a secret is in\n%s", name, d.Override)
		}
		if messages := said(d, "written_out"); messages != nil {
			t.Errorf("%s: %q", name, messages)
		}
		// What compose makes of odpm's file with it.
		doc, err := compose.Build(compose.Spec{Project: loaded, OdooImage: "odoo", HandoffID: "x", PostgresPasswordFile: "secrets/pass.in"})
		if err != nil {
			t.Fatal(err)
		}
		over := filepath.Join(f.Dir, compose.OverrideName)
		if err := os.WriteFile(over, d.Override, 0o600); err != nil {
			t.Fatal(err)
		}
		merged, err := compose.Merge(context.Background(), f.Dir, filepath.Join(f.Dir, compose.FileName), doc, []string{over}, loaded.Env)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, d.Override)
		}
		if merged, err = merged.WithServicesEnvironmentResolved(true); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, d.Override)
		}
		for at, want := range map[string]string{
			"odoo.DB_PASSWORD": "dbs3cret", "odoo.ADMIN_PASSWORD": "admins3cret", "odoo.MAIL_PASSWORD": "mails3cret", "odoo.SMTP": "smtps3cret", "odoo.ODOO_RC": compose.OdooConfTarget,
			"db.STANDBY_PASSWORD": "standbys3cret", "db.POSTGRES_PASSWORD": "", "db.PGDATA": "/var/lib/postgresql/data", "db.POSTGRES_USER": "postgres",
			"jobs.JOB_TOKEN": "tokens3cret", "jobs.JOB_PASSWORD": "jobs3cret",
		} {
			service, key, _ := strings.Cut(at, ".")
			if have := valueOf(merged.Services[service].Environment, key); have != want {
				t.Errorf("%s: %s is %q\n%s", name, at, have, d.Override)
			}
		}
		if words := strings.Join(merged.Services["odoo"].Command, " "); !strings.Contains(words, "--smtp-password=smtps3cret") {
			t.Errorf("%s: %s", name, words)
		}
		// The override that is there says it all.
		again, err := f.Difference(context.Background(), loaded, []string{over}, d.Override)
		if err != nil || again.Override != nil {
			t.Errorf("%s: %v: once more: %v", name, err, again.Carried)
		}
	}
}

func valueOf(env map[string]*string, key string) string {
	if v := env[key]; v != nil {
		return *v
	}
	return "(unset)"
}

// A variable that only an included file's own .env sets is not there afterwards: its
// value is written out, and that is said.
func TestWrittenOut(t *testing.T) {
	for name, inner := range map[string]string{
		"a further service": "services:\n  jobs: {image: acme/jobs, environment: {JOB_TOKEN: \"${INNER_TOKEN}\", LEVEL: \"${LEVEL}\"}}\n",
		"Odoo's":            "services:\n  odoo: {image: \"acme/odoo:17.0\", environment: {JOB_TOKEN: \"${INNER_TOKEN}\"}, volumes: [\"../data:/var/lib/odoo\"]}\n",
	} {
		outer := "include: [{path: inner/all.yml, env_file: inner/own.env}]\nservices:\n  db: {image: \"postgres:15\", environment: {POSTGRES_USER: erp, POSTGRES_PASSWORD: pw}, volumes: [\"./pg:/var/lib/postgresql/data\"]}\n"
		if name == "a further service" {
			outer += "  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: erp, PASSWORD: pw}, volumes: [\"./data:/var/lib/odoo\"]}\n"
		}
		f := readText(t, outer, map[string]string{"inner/all.yml": inner, "inner/own.env": "INNER_TOKEN=tokens3cret\nLEVEL=info\n"})
		_, d := inItsPlace(t, f, "odoo", "")
		if !strings.Contains(string(d.Override), "tokens3cret") {
			t.Errorf("%s: the value is lost:\n%s", name, d.Override)
		}
		if messages := said(d, "written_out"); len(messages) != 1 || !strings.Contains(messages[0], "JOB_TOKEN") || !strings.Contains(messages[0], "${INNER_TOKEN}") {
			t.Errorf("%s: %q", name, messages)
		}
	}
}

// A password among Odoo's options is as readable as one in its environment.
func TestPasswordAmongOptions(t *testing.T) {
	for odoo, want := range map[string]bool{
		`command: odoo --db_host db -r erp -w pw`:                                               true,
		`command: ["odoo", "--db_host=db", "--db_user=erp", "--db_password=pw"]`:                true,
		`entrypoint: [sh, -c], command: ["sleep 1; exec odoo --db_host db -r erp -w pw"]`:       true,
		`command: [odoo, --db_host, db, -r, erp, -w, "p$$w"]`:                                   true,
		`entrypoint: odoo, command: "--db_host db -r erp --db_password pw"`:                     true,
		`command: "odoo --db_host db -r erp -w ${PG_PASS}"`:                                     false,
		`command: ["odoo", "--db_host=db", "--db_password=${PG_PASS:-pw}"]`:                     false,
		`command: odoo --workers 4, environment: {HOST: db, USER: erp, PASSWORD: "${PG_PASS}"}`: false,
	} {
		text := "services:\n  odoo: {image: \"odoo:17.0\", " + odoo + "}\n" +
			"  db: {image: \"postgres:15\", environment: {POSTGRES_USER: erp, POSTGRES_PASSWORD: \"${PG_PASS}\"}, volumes: [\"./pg:/var/lib/postgresql/data\"]}\n"
		f := readText(t, text, map[string]string{".env": "PG_PASS=pw\n"})
		found := slices.ContainsFunc(f.Problems, func(p Problem) bool {
			return p.Code == "password_in_clear" && strings.Contains(p.Message, "--db_password of service odoo is in clear text in compose.yml")
		})
		if found != want {
			t.Errorf("%s: %v\n%v", odoo, found, f.Problems)
		}
	}
}

// Odoo's password stays where .env has it; anything else is a copy, which is said.
func TestPasswordReference(t *testing.T) {
	const db = "\n  db: {image: \"postgres:15\", environment: {POSTGRES_USER: erp, POSTGRES_PASSWORD: \"${DB_PASSWORD:-}\"}, volumes: [\"./pg:/var/lib/postgresql/data\"]}\n"
	for _, tc := range []struct{ name, odoo, env, line, copied string }{
		{"a reference", `{image: "odoo:17.0", environment: {HOST: db, USER: erp, PASSWORD: "${DB_PASSWORD}"}}`, `DB_PASSWORD="p@ss w'rd"` + "\n", "${DB_PASSWORD}", ""},
		{"with a default", `{image: "odoo:17.0", environment: ["HOST=db", "USER=erp", "PASSWORD=${DB_PASSWORD:-odoo}"]}`, "DB_PASSWORD='a$b\"c'\n", "${DB_PASSWORD}", ""},
		{"the default itself", `{image: "odoo:17.0", environment: {HOST: db, USER: erp, PASSWORD: "${OTHER:-plain}"}}`, "", "plain", "${OTHER}"},
		{"an env_file", `{image: "acme/odoo:17.0", env_file: .env}`, "DB_HOST=db\nDB_USER=erp\nDB_PASSWORD=pw\n", "${DB_PASSWORD}", ""},
		{"a secret", `{image: "odoo:17.0", environment: {HOST: db, USER: erp, PASSWORD_FILE: /run/secrets/pg}, secrets: [pg]}`, "", "filed", "/run/secrets/pg"},
		{"in clear text", `{image: "odoo:17.0", environment: {HOST: db, USER: erp, PASSWORD: pw}}`, "", "pw", ""},
	} {
		f := readText(t, "services:\n  odoo: "+tc.odoo+db+"secrets: {pg: {file: pg}}\n", map[string]string{".env": tc.env, "pg": "filed\n"})
		if tc.env != "" {
			// As docker compose reads it.
			var err error
			if f, err = Read(context.Background(), f.Files[0], loadWith(t, f.Dir, []byte(tc.env), []byte(`{"odoo_version": "17.0", "postgres_version": "15"}`)).Env); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Use("db", "odoo"); err != nil {
			t.Fatal(err)
		}
		p := f.Propose(Place{Dir: f.Dir, Copying: true})
		content, _, err := p.EnvFile([]byte(tc.env))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), "\nPOSTGRES_ODOO_PASS="+tc.line+"\n") {
			t.Errorf("%s:\n%s", tc.name, content)
		}
		if have := loadWith(t, f.Dir, content, p.Manifest).AppPassword; have != f.Odoo.Password {
			t.Errorf("%s: %q is read as %q\n%s", tc.name, f.Odoo.Password, have, content)
		}
		said := ""
		for _, x := range p.Problems {
			if x.Code == "password_copied" {
				said = x.Message
			}
		}
		if (said != "") != (tc.copied != "") || !strings.Contains(said, tc.copied) {
			t.Errorf("%s: %q", tc.name, said)
		}
	}
}

// What odpm adds to .env reaches a service that has .env as an env_file, and is nothing
// that its own file had.
func TestSettingsInEnvFile(t *testing.T) {
	const text = `
services:
  odoo: {image: "acme/odoo:17.0", env_file: .env, volumes: ["./data:/var/lib/odoo"]}
  db: {image: "postgres:15", env_file: [.env], environment: {POSTGRES_USER: erp}, volumes: ["./pg:/var/lib/postgresql/data"]}
`
	const env = "DB_HOST=db\nDB_USER=erp\nDB_PASSWORD=pw\n"
	for settings, want := range map[bool]string{true: "", false: "services.db.environment"} {
		f := readText(t, text, map[string]string{".env": env + "POSTGRES_DATA_DIR=./pg\nODPM_POSTGRES_IMAGE=postgres:15\n"})
		if err := f.Use("db", "odoo"); err != nil {
			t.Fatal(err)
		}
		if settings {
			f.Settings = project.Keys
		}
		p := f.Propose(Place{Dir: f.Dir, Copying: true})
		loaded := loadWith(t, f.Dir, []byte(env+"POSTGRES_DATA_DIR=./pg\n"), p.Manifest)
		over := filepath.Join(f.Dir, compose.OverrideName)
		text := "services:\n  odoo: {environment: [DB_HOST, DB_USER, DB_PASSWORD]}\n  db: {environment: [DB_HOST, DB_USER, DB_PASSWORD]}\n"
		if err := os.WriteFile(over, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := f.Difference(context.Background(), loaded, []string{over}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.Carried, " "); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q\n%s", settings, got, d.Override)
		}
	}
}

// A read-only mount of a volume that is not there has no directory to mount Odoo's data
// on, and nothing else that would be missed.
func TestReadOnlyVolume(t *testing.T) {
	for there, want := range map[bool]string{true: "/odoo /odoo/.local/share/Odoo", false: "/odoo/.local/share/Odoo"} {
		f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: erp, PASSWORD: pw}, volumes: ["web:/var/lib/odoo", "./odoo.conf:/etc/odoo/odoo.conf"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: erp, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
  proxy: {image: nginx, volumes: ["web:/odoo:ro"]}
volumes: {web: }
`, map[string]string{"odoo.conf": "[options]\n"})
		if err := f.Use("db", "odoo"); err != nil {
			t.Fatal(err)
		}
		f.Volumes = map[string]bool{"shop_web": there}
		p := f.Propose(Place{Dir: f.Dir, Copying: true, Volumes: f.Volumes})
		content, _, err := p.EnvFile(nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.Difference(context.Background(), loadWith(t, f.Dir, content, p.Manifest), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var over struct {
			Services map[string]struct {
				Volumes []struct {
					Target   string
					ReadOnly bool `yaml:"read_only"`
				}
			}
		}
		if err := yaml.Unmarshal(d.Override, &over); err != nil {
			t.Fatal(err)
		}
		var targets []string
		for _, v := range over.Services["proxy"].Volumes {
			targets = append(targets, v.Target)
			if !v.ReadOnly {
				t.Errorf("%v: the proxy may write to %s\n%s", there, v.Target, d.Override)
			}
		}
		if got := strings.Join(targets, " "); got != want {
			t.Errorf("%v: %q\n%s", there, got, d.Override)
		}
	}
}

// odpm's PostgreSQL listens on 5432: what waits for it elsewhere would wait for ever.
func TestMovedPort(t *testing.T) {
	f := readText(t, `
services:
  web:
    image: odoo:17.0
    entrypoint: ["/wait.sh", "db:7080", "--", "/entrypoint.sh"]
    command: ["odoo", "--workers=2"]
    environment: {HOST: db, PORT: 7080, USER: erp, PASSWORD: pw}
    volumes: ["./data:/var/lib/odoo"]
  db: {image: "postgres:15", command: "postgres -p 7080", environment: {POSTGRES_USER: erp, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"], networks: {default: {aliases: [sql.shop]}}}
  dump: {image: dump, command: ["sql.shop:7080", "mail:7080", "10.7080"], environment: {PGPORT: "7080", OTHER: "17080"}, ports: ["7080:80"]}
`, nil)
	loaded, d := inItsPlace(t, f, "web", "")
	for _, want := range []string{`"db:5432"`, `"sql.shop:5432"`, `"mail:7080"`, `"7080:80"`, `PGPORT: "7080"`} {
		if !strings.Contains(string(d.Override), want) {
			t.Errorf("%s is missing in\n%s", want, d.Override)
		}
	}
	var places []string
	for _, message := range said(d, "port_moved") {
		places = append(places, strings.Fields(message)[0])
	}
	over := filepath.Join(f.Dir, compose.OverrideName)
	if err := os.WriteFile(over, d.Override, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := f.Difference(context.Background(), loaded, []string{over}, d.Override); err != nil || again.Override != nil {
		t.Errorf("%v: once more: %v", err, again.Carried)
	}
	if got := strings.Join(places, " "); got != "services.dump.command services.dump.environment" {
		t.Errorf("%q\n%s", got, d.Override)
	}
}
