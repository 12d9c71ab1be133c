package compose

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		if err := f.Use("db", "odoo"); err != nil {
			t.Fatal(err)
		}
		p := f.Propose(Place{Dir: f.Dir, Copying: true})
		content, _, err := p.EnvFile([]byte(env))
		if err != nil {
			t.Fatal(err)
		}
		loaded := loadWith(t, f.Dir, content, p.Manifest)
		d, err := f.Difference(context.Background(), loaded, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(d.Override), "s3cret") {
			t.Errorf("%s: a secret is in\n%s", name, d.Override)
		}
		for _, x := range d.Problems {
			if x.Code == "written_out" {
				t.Errorf("%s: %+v", name, x)
			}
		}
		// What compose makes of odpm's file with it.
		doc, err := Build(Spec{Project: loaded, OdooImage: "odoo", HandoffID: "x", PostgresPasswordFile: "secrets/pass.in"})
		if err != nil {
			t.Fatal(err)
		}
		over := filepath.Join(f.Dir, OverrideName)
		if err := os.WriteFile(over, d.Override, 0o600); err != nil {
			t.Fatal(err)
		}
		merged, err := Merge(context.Background(), f.Dir, filepath.Join(f.Dir, FileName), doc, []string{over}, loaded.Env)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, d.Override)
		}
		if merged, err = merged.WithServicesEnvironmentResolved(true); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, d.Override)
		}
		for at, want := range map[string]string{
			"odoo.DB_PASSWORD": "dbs3cret", "odoo.ADMIN_PASSWORD": "admins3cret", "odoo.MAIL_PASSWORD": "mails3cret", "odoo.SMTP": "smtps3cret", "odoo.ODOO_RC": OdooConfTarget,
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
