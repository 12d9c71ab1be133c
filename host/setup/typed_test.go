package setup

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
)

// TestTyped types what a refused takeover prints, until the plan is shown and
// nothing but the confirmation is missing.
func TestTyped(t *testing.T) {
	const server = `
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`
	for name, c := range map[string]struct {
		files map[string]string
		// said is what the first answer has, typed the commands that follow.
		said  string
		typed []string
	}{
		"a server elsewhere": {
			files: map[string]string{"docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", network_mode: host, environment: {HOST: localhost, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}
`},
			said:  "no service of docker-compose.yml is recognised as PostgreSQL",
			typed: []string{"odpm adopt docker-compose.yml --external"},
		},
		"the network of another container": {
			files: map[string]string{"docker-compose.yml": `
services:
  vpn: {image: vpn, ports: ["8069:8069"]}
  odoo: {image: "odoo:17.0", network_mode: "service:vpn", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}` + server},
			said:  "network_mode: service:vpn",
			typed: []string{"odpm adopt --keep docker-compose.yml"},
		},
		"several files": {
			files: map[string]string{
				".env":            "COMPOSE_FILE=docker/base.yml:docker/prod.yml\nCOMPOSE_PROJECT_NAME=typed\n",
				"docker/base.yml": "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: [\"./files:/var/lib/odoo\"]}" + server,
				"docker/prod.yml": "services: {odoo: {restart: always}}\n",
			},
			said:  "COMPOSE_FILE says docker/base.yml and docker/prod.yml",
			typed: []string{"odpm adopt docker/base.yml --keep"},
		},
		"a data_dir that nobody says": {
			files: map[string]string{"docker-compose.yml": `
services:
  odoo: {image: "example/odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["files:/srv/files"]}` + server + "volumes: {files: }\n"},
			said:  "neither its command nor odoo.conf says what data_dir is",
			typed: []string{"printf", "odpm adopt"},
		},
		"a pooler that odoo.conf does not know": {
			files: map[string]string{
				"odoo.conf": "[options]\nworkers = 2\n\n[queue_job]\nchannels = root:2\n",
				"docker-compose.yml": `
services:
  pool: {image: pgbouncer}
  odoo: {image: "odoo:17.0", environment: {HOST: pool, PORT: "6432", USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo", "./odoo.conf:/etc/odoo/odoo.conf"]}` + server},
			said:  "service odoo reaches PostgreSQL through service pool",
			typed: []string{"sed -i", "odpm adopt"},
		},
		"a file that a setting keeps": {
			files: map[string]string{".env": "ODPM_COMPOSE=keep\n", "docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}` + server},
			said:  "ODPM_COMPOSE=keep keeps docker-compose.yml",
			typed: []string{"odpm adopt docker-compose.yml --keep"},
		},
		"a server that is too old": {
			files: map[string]string{"docker-compose.yml": `
services:
  odoo: {image: "odoo:11.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}` + strings.Replace(server, "15", "9.6", 1)},
			said: `service db runs PostgreSQL 9.6 (image "postgres:9.6"), and odpm works with 12 or newer`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "typed")
			o := unattended(t, dir, c.files)
			refused := func(a Adoption) *ui.Refusal {
				t.Helper()
				_, err := Adopt(t.Context(), o, a)
				var r *ui.Refusal
				if !errors.As(err, &r) {
					t.Fatalf("%+v: %v", a, err)
				}
				return r
			}
			r := refused(Adoption{})
			if text := r.What + strings.Join(r.Details, "\n"); !strings.Contains(text, c.said) {
				t.Fatal(text)
			}
			if slices.ContainsFunc(r.Ways, func(w string) bool { return strings.Contains(w, "does all of that") }) {
				t.Errorf("adopt says that adopt does it: %q", r.Ways)
			}
			if c.typed == nil {
				// Neither way goes past it, and nothing was written that would be continued.
				if r := refused(Adoption{Keep: true, Yes: true}); !strings.Contains(strings.Join(r.Details, "\n"), c.said) {
					t.Errorf("--keep: %s %v", r.What, r.Details)
				}
				return
			}
			for _, want := range c.typed {
				i := slices.IndexFunc(r.Ways, func(w string) bool { return strings.Contains(w, want) })
				if want == "odpm adopt" {
					r = refused(Adoption{})
					continue
				}
				if i < 0 {
					t.Fatalf("%q is not among %q", want, r.Ways)
				}
				command, _, _ := strings.Cut(r.Ways[i], "        ")
				if at := strings.Index(command, want); !strings.HasPrefix(want, "odpm ") {
					if out, err := exec.Command("sh", "-c", command[at:]).CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", command, err, out)
					}
					continue
				}
				if len(r.Ways) != 1 {
					t.Errorf("beside the command: %q", r.Ways)
				}
				r = refused(adoption(t, command))
			}
			if r.Code != codes.Declined {
				t.Errorf("it ends with: %s %v %v", r.What, r.Details, r.Ways)
			}
		})
	}
}

// TestChosen answers on a terminal which of two services is meant: one question,
// and what is answered is written down, with --keep too.
func TestChosen(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for answers, want := range map[string]string{"3,2,a": "ODOO_SERVICE_NAME=second", "first,a": "ODOO_SERVICE_NAME=first", "a": ""} {
			dir := filepath.Join(t.TempDir(), "chosen")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			file := `
services:
  first: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./one:/var/lib/odoo"]}
  second: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./two:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o644); err != nil {
				t.Fatal(err)
			}
			master, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			if _, err := master.WriteString(strings.ReplaceAll(answers, ",", "\n") + "\n\x04\x04\x04"); err != nil {
				t.Fatal(err)
			}
			shown := make(chan string)
			go func() {
				data, _ := io.ReadAll(master) // the end of a terminal is an error
				shown <- string(data)
			}()
			o := apply.Options{Options: look.Options{Dir: dir, Home: t.TempDir()}, Term: ui.New(tty, tty, tty, ui.Options{})}
			_, err = Adopt(t.Context(), o, Adoption{Keep: keep})
			var r *ui.Refusal
			if !errors.As(err, &r) || r.Code != codes.Declined {
				t.Errorf("%s: %v", answers, err)
			}
			tty.Close()
			text := <-shown
			if n := strings.Count(text, "Which is it?"); n != 1 {
				t.Errorf("%s: asked %d times\n%s", answers, n, text)
			}
			if want != "" && !strings.Contains(text, "+"+want) || want == "" && strings.Contains(text, "Take it over?") {
				t.Errorf("keep %t, %s: no %q in\n%s", keep, answers, want, text)
			}
		}
	}
}

// adoption is what a printed command means.
func adoption(t *testing.T, command string) Adoption {
	t.Helper()
	var a Adoption
	for _, w := range strings.Fields(command)[2:] {
		switch w {
		case "--keep":
			a.Keep = true
		case "--external":
			a.External = true
		default:
			if strings.HasPrefix(w, "-") {
				t.Fatalf("%q in %q", w, command)
			}
			a.File = w
		}
	}
	return a
}

// TestInitExternal: a server elsewhere through init. What is printed is typed, and
// the same command gets further, up to settings that odpm takes.
func TestInitExternal(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		host  string
	}{
		"odoo.conf says where": {map[string]string{
			"docker-compose.yml": "services:\n  web: {image: \"odoo:15.0\", ports: [\"22075:8069\"], volumes: [\"./data:/var/lib/odoo\", \"./config:/etc/odoo\"]}\n",
			"config/odoo.conf":   "[options]\ndb_host = 192.168.33.12\ndb_user = erp\ndb_password = pw\n"}, "192.168.33.12"},
		"a name":      {map[string]string{"docker-compose.yml": "services:\n  web: {image: \"odoo:18.0\", environment: {HOST: dbserver, USER: erp, PASSWORD: pw}, volumes: [\"./data:/var/lib/odoo\"]}\n", ".env": "X=y"}, "dbserver"},
		"an address":  {map[string]string{"docker-compose.yml": "services:\n  web: {image: \"odoo:18.0\", environment: {HOST: 10.0.0.5, PORT: \"5433\", USER: erp, PASSWORD: pw}, volumes: [\"./data:/var/lib/odoo\"]}\n"}, "10.0.0.5"},
		"nobody says": {map[string]string{"docker-compose.yml": "services:\n  web: {image: \"odoo:18.0\", environment: {USER: erp, PASSWORD: pw}, volumes: [\"./data:/var/lib/odoo\"]}\n"}, "192.168.33.12"},
	} {
		dir := t.TempDir()
		o := unattended(t, dir, c.files)
		var err error
		var said []string
		for range 4 {
			_, err = Init(t.Context(), o, First{}, filepath.Join(dir, "docker-compose.yml"))
			var r *ui.Refusal
			if !errors.As(err, &r) {
				break
			}
			said = append(said, r.Ways...)
			for _, w := range r.Ways {
				if command, _, _ := strings.Cut(strings.ReplaceAll(w, "ADDRESS", c.host), "        "); strings.HasPrefix(w, "printf ") {
					run := exec.Command("sh", "-c", command)
					run.Dir = dir
					if out, err := run.CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", command, err, out)
					}
				}
			}
		}
		if err != nil {
			t.Errorf("%s: %v\nafter %q", name, err, said)
			continue
		}
		p, err := project.Load(dir, nil, o.Home)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if host, _ := p.OdooConf.Value("db_host", 18); !p.External || host != c.host {
			t.Errorf("%s: external %t, db_host %q", name, p.External, host)
		}
	}
}

// TestKeepInLayer: Odoo's data is in its container alone, which the checker in
// front would replace. What is printed is typed, and then the same command goes on.
func TestKeepInLayer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layer"+strings.ToLower(rand.Text()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const file = `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./odoo.conf:/etc/odoo/odoo.conf:ro"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`
	write("odoo.conf", "[options]\ndata_dir = /srv/odoo\n")
	write("docker-compose.yml", file)
	write("attached", "attached")
	docker(t, "compose", "-f", filepath.Join(dir, "docker-compose.yml"), "create", "odoo")
	t.Cleanup(func() { docker(t, "compose", "-f", filepath.Join(dir, "docker-compose.yml"), "down", "-v") })
	docker(t, "cp", dir, filepath.Base(dir)+"-odoo-1:/srv/odoo")
	o := unattended(t, dir, nil)
	_, err := Adopt(t.Context(), o, Adoption{Keep: true})
	var r *ui.Refusal
	if !errors.As(err, &r) || r.Code != codes.TakeoverData || !strings.Contains(r.What, "is inside the container "+filepath.Base(dir)+"-odoo-1 itself, at /srv/odoo") || len(r.Ways) != 2 {
		t.Fatalf("%v", err)
	}
	command, _, _ := strings.Cut(r.Ways[0], "        ")
	other, _, _ := strings.Cut(r.Ways[1], "        ")
	run := exec.Command("sh", "-c", command)
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "data/odoo/attached")); err != nil {
		t.Error(err)
	}
	write("docker-compose.yml", strings.Replace(file, `["./odoo.conf`, `["./data/odoo:/srv/odoo", "./odoo.conf`, 1))
	if _, err = Adopt(t.Context(), o, Adoption{Keep: true}); !errors.As(err, &r) || r.Code != codes.Declined {
		t.Errorf("with the mount: %v", err)
	}
	// The other way copies them itself.
	write("docker-compose.yml", file)
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if _, err = Adopt(t.Context(), o, adoption(t, other)); !errors.As(err, &r) || r.Code != codes.Declined {
		t.Errorf("replaced: %v", err)
	}
}
