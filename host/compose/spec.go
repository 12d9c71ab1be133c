// Package compose builds the project's docker-compose.yml as a value and writes
// it durably, without ever taking a person's file.
package compose

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/project"
)

// Where things are inside the two containers.
const (
	// OdooDataTarget is where data/odoo is mounted; Odoo keeps its data_dir
	// there.
	OdooDataTarget = "/var/lib/odoo"
	// FilestoreTarget has the databases' file stores in it.
	FilestoreTarget = OdooDataTarget + "/filestore"
	// OdooConfTarget is where odoo.conf is mounted, whatever its name on the
	// host: the official image reads it there.
	OdooConfTarget = "/etc/odoo/odoo.conf"
	// AddonsTarget is where addons/ is mounted.
	AddonsTarget = "/mnt/extra-addons"

	// PostgresPasswordTarget is the secret that bootstraps a new cluster.
	PostgresPasswordTarget = "/run/secrets/" + PostgresSecret

	// PostgresSecret is its name in the document.
	PostgresSecret = "postgres_password"
)

// PostgresPort is the port inside the container; POSTGRES_PORT is only what is
// published.
const PostgresPort = 5432

// Odoo's ports inside the container.
const (
	OdooHTTPPort   = 8069
	OdooGeventPort = 8072
)

// FileName is the compose file that odpm writes; ExampleFileName the example
// in the repository.
const (
	FileName        = "docker-compose.yml"
	ExampleFileName = "docker-compose.example.yml"
)

// Spec is a project and what was decided about it. Build makes the document of
// it and asks nobody else.
type Spec struct {
	Project project.Project

	// User is "uid:gid" for Odoo's user:, "" keeps the image's own.
	User string
	// OdooImage is what runs: the image that odpm built with the checker in
	// front, or ODOO_IMAGE where that carries it already. Empty means
	// Project.OdooImage.
	OdooImage string
	// Entrypoint is set where OdooImage carries the checker without starting
	// it: ["/usr/local/bin/odpm-checker", "--", "/entrypoint.sh"]. Empty keeps
	// the image's own.
	Entrypoint []string
	// Command is Odoo's, without options: nil is ["odoo"], another one where the
	// image starts it by another name, an empty one where its entrypoint takes
	// options alone. Compose and Docker drop the image's command where an
	// entrypoint is set, so it is always restated.
	Command []string
	// HTTPPort and GeventPort are where the service's own options have Odoo listen, 0
	// for where odoo.conf says.
	HTTPPort, GeventPort int
	// HandoffID is what the checker must find in checker.json to record.
	HandoffID string

	// ImagePGData is where PostgreSQL's image keeps its data by its own
	// configuration (ENV PGDATA), "" where that is not known.
	ImagePGData string

	// NoOdooConf leaves the mount of odoo.conf out: there is no such file.
	NoOdooConf bool

	// PostgresPasswordFile is the file with the random password that a new
	// cluster is bootstrapped with: absolute, or relative to the project
	// directory. The official entrypoint reads it as root before it becomes
	// postgres, so 0600 is enough; it reads it at each start, so the file stays.
	PostgresPasswordFile string
	// OdooEnvFile carries the password where odoo.conf does not: see
	// PasswordEnv. Empty means that odoo.conf has it.
	OdooEnvFile string
	// OdooEnvMissing is for a judgement of the document before that file is there.
	OdooEnvMissing bool
}

// OdooCommand is what the Odoo service runs. A one-off run repeats it before
// its own options, because compose's run replaces the command.
func (s Spec) OdooCommand() []string {
	cmd := s.Command
	if cmd == nil {
		cmd = []string{"odoo"}
	}
	cmd = append([]string(nil), cmd...)
	if s.confValue("data_dir") != OdooDataTarget {
		// Without it data_dir is below $HOME, which a uid without a passwd entry
		// does not have.
		cmd = append(cmd, "--data-dir="+OdooDataTarget)
	}
	return cmd
}

// confValue is an option of the project's odoo.conf, "" where it is unset.
func (s Spec) confValue(keys ...string) string {
	if s.Project.OdooConf == nil || s.NoOdooConf {
		return ""
	}
	for _, key := range keys {
		if v, ok := s.Project.OdooConf.Value(key, s.Project.OdooMajor); ok {
			return v
		}
	}
	return ""
}

// confPort is the port that Odoo listens on inside the container: odoo.conf
// may say another than the image's.
func (s Spec) confPort(fallback int, keys ...string) int {
	if n, err := strconv.Atoi(s.confValue(keys...)); err == nil && n > 0 && n < 65536 {
		return n
	}
	return fallback
}

// OdooPorts are those that Odoo listens on inside the container.
func (s Spec) OdooPorts() (http, gevent int) {
	return cmp.Or(s.HTTPPort, s.confPort(OdooHTTPPort, "http_port", "xmlrpc_port")), cmp.Or(s.GeventPort, s.confPort(OdooGeventPort, "gevent_port", "longpolling_port"))
}

// OdooBind is the address that Odoo's ports are published on: ODOO_BIND, else
// every interface on a server and only this machine elsewhere.
func OdooBind(p project.Project) string {
	if b := p.Setting("ODOO_BIND"); b != "" {
		return b
	}
	if p.Scenario == project.Server {
		return ""
	}
	return "127.0.0.1"
}

// HostPath writes a path below the project relative to it, so that a moved
// project keeps working, and any other as it is.
func HostPath(dir, path string) string {
	if !filepath.IsAbs(path) {
		return "./" + filepath.ToSlash(filepath.Clean(path))
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return path
	}
	return "./" + filepath.ToSlash(rel)
}
