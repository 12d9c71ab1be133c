package foreign

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/project"
)

// A secret of the file's that has the name of odpm's own stays the file's, at the
// path where it was.
func TestSecretOfTheSameName(t *testing.T) {
	d, _ := differenceOf(t, `
services:
  odoo:
    image: odoo:17.0
    environment: {HOST: db, USER: a, PASSWORD_FILE: /run/secrets/pw, ADMIN_FILE: /run/secrets/postgres_password}
    secrets: [pw, postgres_password]
    volumes: ["./data/odoo:/var/lib/odoo"]
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password}, secrets: [postgres_password], volumes: ["./pg:/var/lib/postgresql/data"]}
  short: {image: backup, secrets: [postgres_password]}
  long: {image: backup, secrets: [{source: postgres_password, target: other}]}
secrets: {postgres_password: {file: ./pw}, pw: {file: ./pw}}
`, map[string]string{"pw": "b\n"})
	text := string(d.Override)
	for _, want := range []string{"own-postgres_password:\n", "target: other}"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for at, want := range map[string]int{"source: own-postgres_password": 3, "target: postgres_password": 1, "target: /run/secrets/postgres_password": 1, "secrets: [postgres_password]": 0} {
		if n := strings.Count(text, at); n != want {
			t.Errorf("%d times %q in\n%s", n, at, text)
		}
	}
}

// A mounted postgresql.conf that names the data directory would start PostgreSQL
// somewhere else than where odpm mounts the data.
func TestDataDirectoryInConf(t *testing.T) {
	for text, want := range map[string]bool{"data_directory = '/srv/data'\n": true, "#data_directory = '/srv/data'\n": false, "data_directory='/var/lib/postgresql/data' # as ever\n": false} {
		d, _ := differenceOf(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./data/odoo:/var/lib/odoo"]}
  db:
    image: postgres:15
    command: postgres -c config_file=/etc/conf/postgresql.conf
    environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}
    volumes: ["./pg:/var/lib/postgresql/data", "./conf:/etc/conf:ro"]
`, map[string]string{"conf/postgresql.conf": text})
		said := false
		for _, x := range d.Problems {
			said = said || x.Blocking && strings.Contains(x.Message, "names the data directory (data_directory = /srv/data)")
		}
		if said != want {
			t.Errorf("%s: %+v", text, d.Problems)
		}
	}
}

// What .env sets as an env_file and a shell sets too is written out: compose would
// take the shell's.
func TestEnvFileOfTheShell(t *testing.T) {
	env := "USER=shop\nSMTP_PASSWORD=s3cret\nHOST=mail\n"
	d, _ := differenceOf(t, `
services:
  odoo: {image: "acme/odoo:17.0", environment: {DB_HOST: db}, env_file: .env, volumes: ["./data/odoo:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, map[string]string{".env": env})
	for _, want := range []string{`USER: "shop"`, `HOST: "mail"`, `SMTP_PASSWORD: "${SMTP_PASSWORD}"`} {
		if !strings.Contains(string(d.Override), want) {
			t.Errorf("no %q in\n%s", want, d.Override)
		}
	}
}

// Of several Odoos the one that docker compose up starts is meant.
func TestProfileIsNotMeant(t *testing.T) {
	f := readText(t, `
services:
  odoo16: {image: "odoo:16.0", profiles: [old], environment: {HOST: db}, ports: ["8016:8069"], volumes: ["./a:/var/lib/odoo"]}
  odoo18: {image: "odoo:18.0", environment: {HOST: db}, ports: ["8018:8069"], volumes: ["./b:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_PASSWORD: b}}
`, nil)
	if f.OdooService() != "odoo18" || len(f.OdooCandidates) != 2 {
		t.Errorf("%q of %v", f.OdooService(), f.OdooCandidates)
	}
}

// differenceOf reads a file and gives what odpm's own would lack.
func differenceOf(t *testing.T, text string, files map[string]string) (Difference, *File) {
	t.Helper()
	f := readText(t, text, files)
	_, d := inItsPlace(t, f, "odoo", files[".env"])
	return d, f
}

// inItsPlace proposes a project for a file whose PostgreSQL is service db and whose Odoo
// is service odoo, beside what .env has; with what odpm's own file would lack.
func inItsPlace(t *testing.T, f *File, odoo, env string) (project.Project, Difference) {
	t.Helper()
	if err := f.Use("db", odoo); err != nil {
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
	if d.Override != nil {
		// What the override has nothing lacks any more.
		over := filepath.Join(f.Dir, "compose.override.yml")
		if len(f.Files) > 1 {
			over = filepath.Join(f.Dir, "carried-over.yml")
		}
		if err := os.WriteFile(over, d.Override, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := f.Difference(context.Background(), loaded, []string{over}, nil)
		if err != nil || len(again.Carried) > 0 {
			t.Errorf("%v: with the override there is still missing %v:\n%s", err, again.Carried, d.Override)
		}
		// Nor does it once compose merges the override over the file as well.
		if merged, err := Read(context.Background(), f.Files[0], map[string]string{"COMPOSE_PROJECT_NAME": "shop"}); err != nil {
			t.Error(err)
		} else if err := merged.Use("db", odoo); err != nil {
			t.Error(err)
		} else if again, err := merged.Difference(context.Background(), loaded, []string{over}, nil); err != nil || len(again.Carried) > 0 {
			t.Errorf("%v: with the override over both there is still missing %v:\n%s", err, again.Carried, d.Override)
		}
		if err := os.Remove(over); err != nil {
			t.Fatal(err)
		}
	}
	return loaded, d
}

// said are the messages with a code.
func said(d Difference, code string) (messages []string) {
	for _, p := range d.Problems {
		if p.Code == code {
			messages = append(messages, p.Message)
		}
	}
	return messages
}
