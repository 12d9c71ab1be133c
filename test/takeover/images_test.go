//go:build takeover

package takeover

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Images that the shapes name and that no registry has here: an Odoo with an
// entrypoint of its own, Python odpm's, a PgBouncer, and one that only runs.
var dockerfiles = map[string]string{
	"example/odoo:18.0": `FROM odoo:18.0
USER 0
COPY entry.sh /entry.sh
RUN chmod 755 /entry.sh; mkdir -p /home/odoo/.local/share/Odoo /var/lib/odoo; chown -R odoo: /home/odoo /var/lib/odoo
USER odoo
ENTRYPOINT ["/entry.sh"]
CMD ["odoo"]
`,
	"dev-odoo-x86_64-python-3.10-debian-12:latest": `FROM odoo:17.0
USER 0
COPY dev_project /home/odoo/dev_project
RUN mkdir -p /home/odoo/odoo; cp /usr/bin/odoo /home/odoo/odoo/odoo-bin; chown -R odoo: /home/odoo
USER odoo
ENTRYPOINT []
`,
	"edoburu/pgbouncer:latest": `FROM debian:bookworm-slim
COPY pgbouncer /usr/sbin/
COPY lib /usr/local/lib/
COPY pooler.sh /
RUN chmod 755 /pooler.sh; useradd -m pooler
USER pooler
ENV LD_LIBRARY_PATH=/usr/local/lib
ENTRYPOINT ["/pooler.sh"]
`,
	"pgbouncer:latest": `FROM edoburu/pgbouncer:latest
`,
	registry + "timescaledb-ha:pg16": `FROM postgres:16
ENV PGDATA=/home/postgres/pgdata/data
RUN mkdir -p /home/postgres/pgdata/data; chown -R postgres: /home/postgres
`,
	// sleep as process 1 has no handler for SIGTERM.
	idle: `FROM debian:bookworm-slim
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]
`,
}

// registry is in the place of registry.example, whose image TestShapes of host/setup
// must not find on this machine.
const registry = "odpm-takeover/"

const idle = "odpm-takeover-idle:latest"

var buildContext = map[string]string{
	"entry.sh": `#!/bin/bash
set -eu
data=/home/odoo/.local/share/Odoo
[ ! -v DB_HOST ] || data=/var/lib/odoo
{
	printf '[options]\ndata_dir = %s\n' "$data"
	[ ! -v DB_HOST ] || printf 'db_host = %s\ndb_user = %s\ndb_password = %s\n' "$DB_HOST" "$DB_USER" "$DB_PASSWORD"
} >/tmp/odoo.conf
export ODOO_RC=/tmp/odoo.conf
exec "$@"
`,
	"pooler.sh": `#!/bin/bash
set -eu
mkdir -p /tmp/p
printf '"%s" "%s"\n' "${DB_USER:-odoo}" "${DB_PASSWORD:-pw}" >/tmp/p/users.txt
[ ! -e /etc/pgbouncer/pgbouncer.ini ] || exec pgbouncer /etc/pgbouncer/pgbouncer.ini
port=5432
[ -v DB_HOST ] || { port=6432 DB_HOST=$DATABASES_HOST; }
printf '[databases]\n* = host=%s port=5432\n[pgbouncer]\nlisten_addr = *\nlisten_port = %s\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = /tmp/p/users.txt\n' "$DB_HOST" "$port" >/tmp/p/pgbouncer.ini
exec pgbouncer /tmp/p/pgbouncer.ini
`,
	"dev_project/__init__.py":                   "",
	"dev_project/inside_docker_app/__init__.py": "",
	"dev_project/inside_docker_app/run_odoo.py": `import os, sys
argv = sys.argv[sys.argv.index("--") + 1:]
with open("/home/odoo/odoo.conf", "w") as f:
    f.write("[options]\ndata_dir = /home/odoo/.local/share/Odoo\ndb_host = db\ndb_user = odoo\ndb_password = odoo\n")
os.execv(sys.executable, [sys.executable, "-u"] + argv)
`,
}

// images are those of a run: shapes that run at the same time share their names.
type images struct {
	t  *testing.T
	mu sync.Mutex
}

// standIns builds them.
func standIns(t *testing.T) *images {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range buildContext {
		put(name, text)
	}
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("sh", "-ec", `cd "$0"; mkdir lib; p=$(PATH=$PATH:/usr/sbin command -v pgbouncer); cp "$p" pgbouncer
ldd "$p" | awk '/=> \// && !/libc\.so/ { print $3 }' | xargs -I{} cp -L {} lib/`, dir)
	for _, image := range slices.SortedFunc(maps.Keys(dockerfiles), func(a, b string) int { return len(dockerfiles[b]) - len(dockerfiles[a]) }) {
		put("Dockerfile", dockerfiles[image])
		run("docker", "build", "-q", "-t", image, dir)
		t.Cleanup(func() { exec.Command("docker", "rmi", image).Run() })
	}
	return &images{t: t}
}

// image makes a name of one of the images that are here.
func (s *stack) image(name string) {
	s.Helper()
	s.images.mu.Lock()
	defer s.images.mu.Unlock()
	if name == "" || exec.Command("docker", "image", "inspect", name).Run() == nil {
		return
	}
	source := idle
	_, tag, _ := strings.Cut(path.Base(name), ":")
	switch major := majorOf.FindStringSubmatch(tag); {
	case strings.Contains(name, "bouncer"):
		source = "edoburu/pgbouncer:latest"
	case strings.Contains(name, "timescaledb-ha"):
		source = registry + "timescaledb-ha:pg16"
	case isPostgres(name) && major != nil:
		source = "postgres:" + major[1]
	case path.Base(name) == "odoo:"+tag && major != nil:
		// 15 and older are none of the stand-ins.
		source = fmt.Sprintf("odoo:%s.0", max(major[1], "16"))
	}
	s.docker("tag", source, name)
	s.images.t.Cleanup(func() { exec.Command("docker", "rmi", name).Run() })
}

// majorOf is what a tag calls PostgreSQL's version or Odoo's: 16-alpine, 0.8.0-pg16, 17.0.
var majorOf = regexp.MustCompile(`(?:^|pg)(1\d)\b`)

func isPostgres(image string) bool {
	name, _, _ := strings.Cut(path.Base(image), ":")
	return strings.HasPrefix(name, "postgres") && !strings.Contains(name, "backup") || strings.HasPrefix(name, "timescale") || name == "pgvector" || name == "postgis"
}

// imagesOf makes those that a Dockerfile begins with.
func (s *stack) imagesOf(context, dockerfile string) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(context, cmp.Or(dockerfile, "Dockerfile")))
	if err != nil {
		s.Fatal(err)
	}
	for _, from := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1) {
		s.image(from[1])
	}
}
