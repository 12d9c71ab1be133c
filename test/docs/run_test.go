package docs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

// place is where the blocks of one page and one scenario are run, one after the
// other: a fresh folder with a home directory, ports and names of its own.
type place struct {
	dir, bin, project string
	env               []string
}

// scenarios are the machines that pages speak of.
var scenarios = map[string]func(*testing.T, *place){
	"docker": withDocker,
	"native": withoutDocker,
}

func withDocker(t *testing.T, p *place) {
	if out, err := exec.Command("docker", "info", "--format", "{{.ServerVersion}}").CombinedOutput(); err != nil {
		t.Fatalf("no Docker engine answers; run: make setup\n%s", out)
	}
	p.env = append(p.env, "COMPOSE_PROJECT_NAME="+p.project)
	t.Cleanup(func() {
		for _, c := range [][]string{{"ps", "-aq", "rm", "-f", "-v"}, {"network ls", "-q", "network", "rm"}, {"volume ls", "-q", "volume", "rm"}} {
			list := append(strings.Fields(c[0]), c[1], "--filter", "label=com.docker.compose.project="+p.project)
			if out, err := exec.Command("docker", list...).Output(); err == nil && len(out) > 0 {
				exec.Command("docker", append(c[2:], strings.Fields(string(out))...)...).Run()
			}
		}
		if out, err := exec.Command("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "odpm/"+p.project+"-odoo").Output(); err == nil && len(out) > 0 {
			exec.Command("docker", append([]string{"rmi"}, strings.Fields(string(out))...)...).Run()
		}
	})
	// The server's files belong to its user.
	t.Cleanup(func() {
		exec.Command("docker", "run", "--rm", "--network", "none", "--user", "0", "-v", p.dir+":/mnt", "--entrypoint", "sh", "postgres:15", "-c", "rm -rf /mnt/*").Run()
	})
}

func withoutDocker(t *testing.T, p *place) {
	server, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	newer, err := localpg.Bin("17")
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "ODPM_RUNTIME=native", "PATH="+p.bin+":"+server+":"+newer+":"+os.Getenv("PATH"))
	t.Cleanup(func() {
		cmd := exec.Command(filepath.Join(p.bin, "odpm"), "-C", p.dir, "stop")
		cmd.Env = p.env
		cmd.Run()
	})
}

// TestCommands runs the documentation: the blocks of each page in their order, as
// a reader who types them one after the other. Those that need an engine take
// minutes and are run on request: ODPM_TEST_DOCS=docker.
func TestCommands(t *testing.T) {
	programs.Tested(t)
	bin := t.TempDir()
	if err := programs.Build(bin, nil, programs.ODPM, programs.Checker); err != nil {
		t.Fatal(err)
	}
	helpers(t, bin)
	for dir := bin; len(dir) > 1; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o011 != 0o011 {
			os.Chmod(dir, info.Mode().Perm()|0o011)
		}
	}
	for _, page := range pages(t) {
		all := map[string][]block{}
		var order []string
		for _, b := range blocks(t, page) {
			if b.scenario == "" || b.scenario != "native" && os.Getenv("ODPM_TEST_DOCS") != b.scenario {
				continue
			}
			if all[b.scenario] == nil {
				order = append(order, b.scenario)
			}
			all[b.scenario] = append(all[b.scenario], b)
		}
		for _, name := range order {
			t.Run(strings.TrimSuffix(filepath.Base(page), ".md")+"/"+name, func(t *testing.T) {
				t.Parallel()
				read(t, bin, name, all[name])
			})
		}
	}
}

// read does what a reader does.
func read(t *testing.T, bin, scenario string, all []block) {
	top, err := os.MkdirTemp("", "odpm-docs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	os.Chmod(top, 0o755)
	p := &place{dir: filepath.Join(top, "acme"), bin: bin, project: fmt.Sprintf("odpmdocs%d", time.Now().UnixNano()%1e9)}
	fixtures, err := filepath.Abs(root + "/host/odoodb/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{p.dir, top + "/home", top + "/results"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(os.Environ(), "HOME="+top+"/home", "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1", "FIXTURES="+fixtures, "SOURCE="+source, "BACKUP_DIR="+top+"/backups")
	// With a home of its own, Go would build everything anew.
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		p.env = append(p.env, name+"="+strings.TrimSpace(string(out)))
	}
	if real, err := os.UserHomeDir(); err == nil && os.Getenv("DOCKER_CONFIG") == "" {
		p.env = append(p.env, "DOCKER_CONFIG="+filepath.Join(real, ".docker"))
	}
	for _, name := range []string{"POSTGRES_PORT", "ODOO_PORT", "GEVENT_PORT"} {
		port, err := localpg.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		p.env = append(p.env, fmt.Sprintf("%s=%d", name, port))
	}
	scenarios[scenario](t, p)

	var steps []step
	var script strings.Builder
	for _, b := range all {
		if b.hidden != "" {
			steps = append(steps, step{command: b.hidden, at: b.at() + ", hidden", code: "0"})
		}
		steps = append(steps, b.steps()...)
	}
	for i, s := range steps {
		// In the shell itself, so that a directory or a variable stays. The first
		// of several commands that fails ends it.
		strict := "set -e"
		if s.code != "0" {
			strict = "set +e"
		}
		fmt.Fprintf(&script, "%s\n{\n%s\n} >%s/results/%d 2>&1\necho $? >%s/results/%d.code\n", strict, strings.TrimSuffix(s.command, "\n"), top, i, top, i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	// From a file: docker compose exec would read the rest of it.
	if err := os.WriteFile(top+"/script", []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "bash", top+"/script")
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.WaitDelay = time.Second
	out, runErr := cmd.CombinedOutput()
	for i, s := range steps {
		said, _ := os.ReadFile(fmt.Sprintf("%s/results/%d", top, i))
		code, err := os.ReadFile(fmt.Sprintf("%s/results/%d.code", top, i))
		if err != nil || strings.TrimSpace(string(code)) != s.code {
			t.Fatalf("%s: exit code %q, want %s; %v %s\n$ %s\n%s", s.at, code, s.code, runErr, out, s.command, said)
		}
		if missing := absent(s.shown, string(said), p); missing != "" {
			t.Errorf("%s: the page shows a line that was not printed:\n  %s\n$ %s\n%s", s.at, missing, s.command, said)
		}
	}
}

// absent is the first line of a page that a command did not print, in order.
// Numbers and names of the moment are compared as such.
func absent(shown []string, said string, p *place) string {
	plain := func(s string) string {
		s = strings.ReplaceAll(s, p.dir, "/srv/acme")
		s = strings.ReplaceAll(s, p.project, "acme")
		s = moment.ReplaceAllString(s, "N")
		return strings.Join(strings.Fields(s), " ")
	}
	lines := strings.Split(said, "\n")
	for _, want := range shown {
		if strings.TrimSpace(want) == "…" {
			continue
		}
		for len(lines) > 0 && plain(lines[0]) != plain(want) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return want
		}
		lines = lines[1:]
	}
	return ""
}

var moment = regexp.MustCompile(`\b[0-9a-f]{12}\b|[0-9]{8}T[0-9]{6}Z|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:+]+|[0-9]+(?:\.[0-9]+)?`)

// helpers are commands that only hidden steps use.
func helpers(t *testing.T, bin string) {
	t.Helper()
	for name, script := range map[string]string{
		// inherit MAJOR DIR SQL: a cluster that somebody else made.
		"inherit": `#!/bin/sh -e
mkdir -p "$2"
as=; [ "$(id -u)" != 0 ] || { chown postgres: "$2"; as="setpriv --reuid=postgres --regid=postgres --clear-groups"; }
dir=$(cd "$2" && pwd); cd /
$as initdb -D "$dir" -U postgres --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --locale=C --no-sync >/dev/null
echo "$3" | $as postgres --single -D "$dir" postgres >/dev/null
`,
		// inherit-docker MAJOR DIR SQL: the same from the official image.
		"inherit-docker": `#!/bin/sh -e
mkdir -p "$2"
echo "$3" | docker run --rm -i --network none -v "$(cd "$2" && pwd):/mnt" --user 0 --entrypoint sh "postgres:$1" -c '
chown -R postgres: /mnt && chmod 700 /mnt && exec setpriv --reuid=postgres --regid=postgres --clear-groups sh -c "
initdb -D /mnt -U postgres --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --locale=C --no-sync >/dev/null
echo host all all all scram-sha-256 >>/mnt/pg_hba.conf
postgres --single -D /mnt -c exit_on_error=on postgres >/dev/null"'
`,
		// serve DIR PORT: that cluster's server, started by somebody else.
		"serve": `#!/bin/sh -e
as=; [ "$(id -u)" != 0 ] || as="setpriv --reuid=postgres --regid=postgres --clear-groups"
dir=$(cd "$1" && pwd); cd /
$as pg_ctl -D "$dir" -w -s -l /dev/null -o "-p $2 -k $dir" start
`,
		// module NAME…: modules of the project that the stand-in Odoo can install.
		"module": `#!/bin/sh -e
for m; do mkdir -p "addons/$m"; echo "{'name': '$m'}" >"addons/$m/__manifest__.py"; : >"addons/$m/__init__.py"; done
`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
