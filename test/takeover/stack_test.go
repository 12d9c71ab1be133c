//go:build takeover

package takeover

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

type document struct {
	Services map[string]struct {
		Image, User string
		Build       *struct{ Context, Dockerfile string }
		Volumes     []struct{ Type, Source, Target string }
	}
	Networks, Volumes map[string]struct {
		Name     string
		External bool
	}
}

// start makes the images and directories that the file takes for granted, and
// has Docker Compose start it.
func (s *stack) start() {
	if s.elsewhere() {
		s.role = "odoo"
	}
	var doc document
	s.config(&doc)
	for _, n := range doc.Networks {
		if n.External {
			s.docker("network", "create", "--label", "odpm.takeover="+s.project, n.Name)
		}
	}
	for _, v := range doc.Volumes {
		if v.External {
			s.docker("volume", "create", "--label", "odpm.takeover="+s.project, v.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Services)) {
		service := doc.Services[name]
		if service.Build == nil {
			s.image(service.Image)
		} else {
			s.imagesOf(service.Build.Context, service.Build.Dockerfile)
		}
		isDB := isPostgres(service.Image)
		for _, v := range service.Volumes {
			if v.Type != "bind" || isDB && service.User == "" || filepath.Ext(strings.TrimPrefix(filepath.Base(v.Source), ".")) != "" {
				continue
			}
			if !strings.HasPrefix(v.Source, filepath.Dir(s.dir)) {
				continue // this machine's, as /etc/localtime
			}
			if err := os.MkdirAll(v.Source, 0o777); err != nil {
				s.Fatal(err)
			}
			if err := os.Chmod(v.Source, 0o777); err != nil {
				s.Fatal(err)
			}
			if isDB && strings.HasPrefix(v.Target, "/var/lib/postgresql") {
				if err := os.Chown(v.Source, 999, 999); err != nil && !strings.HasPrefix(service.User, "root") {
					s.Fatal(err)
				}
			}
		}
		switch {
		case isDB:
			s.db = name
		case s.odoo == "" && (strings.HasPrefix(name, "odoo") || name == "web" && (strings.Contains(service.Image, "odoo") || service.Build != nil)):
			s.odoo = name
		}
	}
	if s.mentions("pg.shared") != "" {
		s.docker("run", "-d", "--name", s.project+"-elsewhere", "--label", "odpm.takeover="+s.project, "--network", "shared", "--network-alias", "pg.shared",
			"-e", "POSTGRES_USER=odoo", "-e", "POSTGRES_PASSWORD=pw", "postgres:15")
		s.role = "odoo"
	}
	s.up()
	if s.role == "" {
		s.role = s.fromEnv()
	}
	s.server("true")
	s.up()
}

// up starts it as a person does who tries again: a healthcheck of the file's own may
// give up, and so may Odoo, while a busy machine starts PostgreSQL.
func (s *stack) up() {
	s.Helper()
	deadline := time.Now().Add(patience)
	for {
		out, err := s.run(exec.Command("docker", "compose", "up", "-d"))
		if err == nil {
			return
		}
		if !strings.Contains(out, "dependency failed to start") || time.Now().After(deadline) {
			s.Fatalf("docker compose up -d: %v\n%s", err, out)
		}
	}
}

// config is what compose makes of the file.
func (s *stack) config(into any) {
	s.Helper()
	cmd := s.command(exec.Command("docker", "compose", "config", "--format", "json"))
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		s.Fatalf("docker compose config: %v\n%s", err, out)
	}
}

// elsewhere starts the server that a file names by its address. It is published on
// the engine's own bridge, since a container of one network does not reach another's.
func (s *stack) elsewhere() bool {
	path := s.mentions("192.0.2.12")
	if path == "" {
		return false
	}
	conf, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	port, err := localpg.FreePort()
	if err != nil {
		s.Fatal(err)
	}
	// An engine that has just made its bridge does not always say its own address there,
	// which is the network's first.
	subnet, err := netip.ParsePrefix(s.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "bridge"))
	if err != nil {
		s.Fatal(err)
	}
	gateway := subnet.Masked().Addr().Next().String()
	s.docker("run", "-d", "--name", s.project+"-elsewhere", "--label", "odpm.takeover="+s.project, "-p", fmt.Sprintf("%s:%d:5432", gateway, port),
		"-e", "POSTGRES_USER=odoo", "-e", "POSTGRES_PASSWORD=pw", "postgres:15")
	text := strings.NewReplacer("192.0.2.12", fmt.Sprintf("%s\ndb_port = %d", gateway, port), "odooadmin", "odoo").Replace(string(conf))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	return true
}

func (s *stack) fromEnv() string {
	out := s.compose("exec", "-T", s.db, "sh", "-c", `printenv POSTGRES_USER || cat "$POSTGRES_USER_FILE"`)
	return strings.TrimSpace(out)
}

// server is a shell's text in the container of PostgreSQL, once that listens.
func (s *stack) server(script string) string {
	s.Helper()
	container := s.project + "-elsewhere"
	if s.db != "" {
		container = s.docker("ps", "-aq", "--filter", "label=com.docker.compose.project="+s.project, "--filter", "label=com.docker.compose.service="+s.db,
			"--filter", "label=com.docker.compose.oneoff=False")
	}
	return s.docker("exec", container, "sh", "-c", "until pg_isready -q -h 127.0.0.1; do sleep 0.3; done; "+script)
}

// fill is a database and an attachment of it.
func (s *stack) fill() {
	s.Helper()
	s.server("psql -q -U " + s.role + " -d postgres -c 'CREATE DATABASE shop'")
	put := dataDir + `
mkdir -p "$d/filestore/shop/ab"; echo attached >"$d/filestore/shop/ab/abcd"`
	// Without capabilities root may not write where Odoo's user may.
	if _, err := s.run(exec.Command("docker", "compose", "exec", "-T", "--user", "0", s.odoo, "sh", "-ec", put+`; chown -R odoo: "$d"`)); err != nil {
		s.compose("exec", "-T", s.odoo, "sh", "-ec", put)
	}
}

// dataDir has $d in a shell be what Odoo takes for its data_dir: its command line's,
// that of the file that it reads, or a directory below its user's home.
const dataDir = `line=$(tr '\0' ' ' </proc/1/cmdline)
conf=$(printf %s "$line" | sed -nE 's/.* (-c|--config)[ =]([^ ]+).*/\2/p')
d=$(printf %s "$line" | sed -nE 's/.* (-D|--data-dir)[ =]([^ ]+).*/\2/p')
[ -f "$conf" ] || conf=/tmp/odoo.conf
[ -f "$conf" ] || conf=/etc/odoo/odoo.conf
[ -n "$d" ] || d=$(sed -n 's/^data_dir *= *//p' "$conf" 2>/dev/null) || true
[ -n "$d" ] || d=$(getent passwd odoo | cut -d: -f6)/.local/share/Odoo`

func (s *stack) attachment() string {
	s.Helper()
	deadline := time.Now().Add(patience)
	for {
		out, err := s.run(exec.Command("docker", "compose", "exec", "-T", s.odoo, "sh", "-c", dataDir+`
cat "$d/filestore/shop/ab/abcd"`))
		if err == nil || time.Now().After(deadline) {
			lines := strings.Split(strings.TrimSpace(out), "\n")
			return lines[len(lines)-1]
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// fingerprint is everything in PostgreSQL, except for sequences that Odoo advances
// each time it starts with -d or installs.
func (s *stack) fingerprint() string {
	s.Helper()
	return s.identifier() + " " + s.server("pg_dumpall -U "+s.role+" | grep -v '^.\\(un\\)\\?restrict ' | grep -v \"setval('public.\\(ir_module_module_id_seq\\|base_registry_signaling\\)\"")
}

func (s *stack) identifier() string {
	s.Helper()
	const ask = "psql -d postgres -tAc 'SELECT system_identifier FROM pg_control_system()' -U "
	return s.server(ask + s.role + " 2>/dev/null || " + ask + "postgres")
}

// files are the project's own, without what servers write.
func (s *stack) files() string {
	s.Helper()
	out, err := s.run(exec.Command("sh", "-c", `find . -type d -exec test -e {}/PG_VERSION ';' -prune -o -path './data*' -prune -o -path ./.odpm -prune -o -type f -exec sha256sum {} + | sort -k2`))
	if err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	return out
}

func (s *stack) remove() {
	run := func(name string, args ...string) string {
		// The test's own context has ended.
		c := exec.Command(name, args...)
		c.Dir, c.Env = s.dir, append(os.Environ(), "COMPOSE_PROJECT_NAME="+s.project)
		out, err := c.Output()
		if err != nil {
			s.Logf("%s %s: %v", name, strings.Join(args, " "), err)
		}
		return string(out)
	}
	if s.Failed() {
		s.Logf("%s", run("sh", "-c", `exec 2>&1; docker compose ps -a; docker compose logs --tail 20; tail -n +1 .env odoo.conf docker-compose.yml docker-compose.override.yml .odpm/compose.yml; true`))
	}
	for _, label := range []string{"com.docker.compose.project=" + s.project, "odpm.takeover=" + s.project} {
		for _, kind := range [][]string{{"ps", "-aq"}, {"volume", "ls", "-q"}, {"network", "ls", "-q"}} {
			ids := strings.Fields(run("docker", append(kind, "--filter", "label="+label)...))
			if len(ids) == 0 {
				continue
			}
			remove := map[string][]string{"ps": {"rm", "-f", "-v"}, "volume": {"volume", "rm", "-f"}, "network": {"network", "rm"}}[kind[0]]
			run("docker", append(remove, ids...)...)
		}
	}
	for _, filter := range []string{"reference=odpm/" + s.project + "-*", "reference=" + s.project + "-*"} {
		if images := strings.Fields(run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", filter)); len(images) > 0 {
			run("docker", append([]string{"rmi"}, images...)...)
		}
	}
}
