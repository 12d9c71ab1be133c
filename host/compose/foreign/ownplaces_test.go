package foreign

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/project"
)

// readText reads a compose file with this text, DIR for its directory, and files
// beside it.
func readText(t *testing.T, text string, files map[string]string) *File {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "compose.yml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Read(context.Background(), path, map[string]string{"COMPOSE_PROJECT_NAME": "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Where Odoo's data is when odoo.conf is mounted and does not say it: below the
// home of the user, who is at home in the volume.
func TestDataBelowHome(t *testing.T) {
	f := readText(t, `
services:
  odoo:
    image: odoo:17.0
    volumes: ["data:/var/lib/odoo", "conf:/etc/odoo"]
  crons:
    image: odoo:17.0
    command: --no-http
    volumes: ["data:/var/lib/odoo", "conf:/etc/odoo"]
    environment: {TOKEN: "${TOKEN:-x}"}
  db: {image: "postgres:15", environment: {POSTGRES_PASSWORD: x}, volumes: ["./pg:/var/lib/postgresql/data"]}
volumes:
  data: {}
  conf: {driver_opts: {type: none, o: bind, device: DIR/conf}}
`, map[string]string{"conf/odoo.conf": "[options]\nworkers = 2\n"})
	if f.Odoo.ConfPath != filepath.Join(f.Dir, "conf/odoo.conf") {
		t.Errorf("a volume that is a directory of this machine: odoo.conf is %q", f.Odoo.ConfPath)
	}
	p := f.Propose(Place{Dir: f.Dir, Copying: true})
	if len(p.Copies) != 1 || p.Copies[0].Volume != "shop_data" || p.Copies[0].From != "/.local/share/Odoo" {
		t.Errorf("copied is %+v", p.Copies)
	}
	if p.Blocking() {
		t.Error(p.Problems)
	}
	// Another service of the same data gets them where they now are.
	content, _, err := p.EnvFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Difference(context.Background(), loadWith(t, f.Dir, content, p.Manifest), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"source: ./data/odoo\n        target: /var/lib/odoo/.local/share/Odoo\n", "name: shop_data\n", "TOKEN: \"${TOKEN:-x}\""} {
		if !strings.Contains(string(d.Override), want) {
			t.Errorf("no %q in\n%s", want, d.Override)
		}
	}
}

// A volume in the place of filestore is copied, and nobody mounts it any more.
func TestFilestoreVolumeMoves(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["files:/var/lib/odoo/filestore"]}
  crons: {image: "odoo:17.0", command: --no-http, volumes: ["files:/var/lib/odoo/filestore:ro"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
volumes: {files: {}}
`, nil)
	_, d := inItsPlace(t, f, "odoo", "")
	if text := string(d.Override); !strings.Contains(text, "source: ./data/odoo/filestore") || strings.Contains(text, "shop_files") {
		t.Error(text)
	}
}

// An option that is another program's is none of Odoo's.
func TestOdooOptions(t *testing.T) {
	for _, c := range []struct{ entrypoint, command, want string }{
		{"", `odoo -d odoo --data-dir /a`, "-d odoo --data-dir /a"},
		{"", `--workers=2`, "--workers=2"},
		{"", `["--workers=2 -d x"]`, "--workers=2 -d x"},
		{"", `["./wait.sh", "db:5432", "-U", "odoo", "--", "odoo", "-d", "shop"]`, "-d shop"},
		{"", `bash -c "pip install -r req.txt && pg_isready -U odoo -w 3; exec odoo -d shop"`, "-d shop"},
		{`["gosu", "odoo", "/opt/odoo/odoo-bin", "-c", "/x"]`, "", "-c /x"},
		{`["/bin/bash", "-c", "/wait.sh -t 60 -- /entrypoint.sh odoo --dev=all"]`, "", "--dev=all"},
		{"/entry.sh", "", ""},
		{"", "tail -f /dev/null", ""},
	} {
		text := "services:\n  odoo:\n    image: x/odoo:17.0\n"
		if c.entrypoint != "" {
			text += "    entrypoint: " + c.entrypoint + "\n"
		}
		if c.command != "" {
			text += "    command: " + c.command + "\n"
		}
		f := readText(t, text, nil)
		if got := strings.Join(odooOptions(f.Doc.Services["odoo"]), " "); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.entrypoint, c.command, got, c.want)
		}
	}
}

// Docker publishes no port of a container that has another one's network.
func TestOthersNetwork(t *testing.T) {
	f := readText(t, `
services:
  vpn: {image: vpn, ports: ["8069:8069"]}
  odoo: {image: "odoo:17.0", network_mode: "service:vpn", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, nil)
	p := f.Propose(Place{Dir: f.Dir})
	content, _, err := p.EnvFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	ours := loadWith(t, f.Dir, content, p.Manifest)
	d, err := f.Difference(context.Background(), ours, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Problems) != 1 || !d.Problems[0].Blocking || !strings.HasPrefix(d.Problems[0].Way, "odpm adopt --keep compose.yml") {
		t.Errorf("%+v", d.Problems)
	}
}

func loadWith(t *testing.T, dir string, env, manifest []byte) project.Project {
	t.Helper()
	p, err := project.LoadWith(dir, nil, t.TempDir(), project.Files{".env": env, "odpm.json": manifest})
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

func TestDataOfRoot(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", user: "0:0", volumes: ["./files:/var/lib/odoo", "./odoo.conf:/etc/odoo/odoo.conf"]}
`, map[string]string{"odoo.conf": "[options]\nworkers = 2\n"})
	if want := "/root" + belowHome; f.Odoo.DataTarget != want || f.Odoo.DataDir != "" {
		t.Errorf("%q in %q", f.Odoo.DataTarget, f.Odoo.DataDir)
	}
}

// An odoo.conf that is made in the container says nothing here: a mount below a
// home does.
func TestConfInContainer(t *testing.T) {
	f := readText(t, `
services:
  odoo:
    image: odoo:18.0
    entrypoint: [python3, -m, inside.run, --]
    command: [/srv/run/odoo-bin, -c, /tmp/odoo.conf]
    volumes: ["./home/.local:/home/odoo/.local"]
`, nil)
	if f.Odoo.DataTarget != "/home/odoo/.local/share/Odoo" {
		t.Error(f.Odoo.DataTarget)
	}
}

// The server is elsewhere, and only Odoo's variables or options said where.
func TestOutside(t *testing.T) {
	for name, c := range map[string]struct{ service, conf, own, want, way string }{
		"variables":    {`environment: {HOST: db.example.com, PORT: "6432", USER: a, PASSWORD: b}`, "", "", "[options]\ndb_host = db.example.com\ndb_port = 6432\n", ""},
		"this machine": {"network_mode: host\n    environment: {HOST: localhost, USER: a, PASSWORD: b}", "", "", "[options]\ndb_host = host.docker.internal\ndb_port = 5432\n", ""},
		"options":      {`command: odoo --db_host=192.0.2.1 -r a -w b`, "[options]\nworkers = 2\n", "", "[options]\nworkers = 2\ndb_host = 192.0.2.1\ndb_port = 5432\n", ""},
		"odoo.conf":    {`environment: {USER: a, PASSWORD: b}`, "[options]\ndb_host = 192.0.2.1\n", "", "[options]\ndb_host = 192.0.2.1\n", ""},
		"nothing":      {`environment: {USER: a, PASSWORD: b}`, "", "", "", "db_host = ADDRESS"},
		"its own":      {`environment: {HOST: 192.0.2.1, USER: a, PASSWORD: b}`, "", "[options]\nworkers = 2\n", "", "printf '\\ndb_host = 192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "services:\n  odoo:\n    image: odoo:17.0\n    " + c.service + "\n"
			files := map[string]string{}
			if c.conf != "" {
				files["conf/odoo.conf"] = c.conf
				text += "    volumes: [\"./conf:/etc/odoo\"]\n"
			}
			if c.own != "" {
				files["odoo.conf"] = c.own
			}
			f := readText(t, text, files)
			p := f.Propose(Place{Dir: f.Dir, External: true})
			if string(p.Conf) != c.want {
				t.Errorf("%q, want %q", p.Conf, c.want)
			}
			ways := ""
			for _, x := range p.Problems {
				if x.Blocking {
					ways += x.Way
				}
			}
			if (c.way == "") != (ways == "") || !strings.Contains(ways, c.way) {
				t.Error(ways)
			}
		})
	}
}

// The image declares a volume on /var/lib/odoo, and the file has one of its own for
// the file store below it: the outer one is copied first, into an empty directory.
func TestCopiesOuterFirst(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["files:/var/lib/odoo/filestore"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
volumes: {files: {}}
`, nil)
	p := f.Propose(Place{Dir: f.Dir, Copying: true, Made: map[string]Made{"odoo": {Name: "shop-odoo-1", Mounts: []MadeMount{
		{Destination: "/var/lib/odoo", Volume: "anonymous"}, {Destination: "/var/lib/odoo/filestore", Volume: "shop_files"}}}}})
	var said []string
	for _, c := range p.Copies {
		to, err := filepath.Rel(f.Dir, c.To)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, c.Volume+" "+to)
	}
	if got := strings.Join(said, ", "); got != "anonymous data/odoo, shop_files data/odoo/filestore" {
		t.Errorf("copied: %s", got)
	}
}
