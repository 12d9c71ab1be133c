// Package inputs is everything that a person wrote, read once: the project's
// own files, a compose file that is kept, and what an override makes of odpm's
// document. Nobody changes it afterwards.
package inputs

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
)

// AdminURLKey names the administrator of an external server; odpm changes
// roles there only where it is set.
const AdminURLKey = "ODPM_POSTGRES_ADMIN_URL"

// Inputs is a project as its files say it.
type Inputs struct {
	// Project has a kept compose file's names, image, data, ports and login.
	Project *project.Project
	Dirs    state.Dirs
	// Kept is the person's own compose file, nil where odpm writes one.
	Kept *foreign.File
	// KeptConf stands for the odoo.conf that a kept file does without.
	KeptConf []byte
	// ComposeFiles are named one by one: an explicit -f alone would drop the
	// override.
	ComposeFiles []string
	// Merged is odpm's document with the person's override over it, nil without
	// one.
	Merged *types.Project
	// OdooCommand is the command that an override gives Odoo, nil where it gives
	// none: its options are for a one-off Odoo too.
	OdooCommand []string
	// OdooUser is the user that a kept file or an override gives Odoo, "" where it is
	// the image's, or odpm's document has one.
	OdooUser string
	// PostgresUser is the user that an override gives PostgreSQL, "" without one.
	PostgresUser string
	// PostgresImage is what PostgreSQL runs from, the override's where that says one.
	PostgresImage string
	// Images are those that the stack is started from beside Odoo's own, without what
	// compose builds.
	Images []string
	// Conflicts are what an override says against the rest of the project.
	Conflicts []Conflict
	Warnings  []string
	// Sums stand for the files that were read, by name.
	Sums map[string]string
}

// Conflict is something in a file that would make the plan untrue.
type Conflict struct {
	What string
	Ways []string
}

// Read reads the project in dir. It asks no engine and writes nothing.
func Read(ctx context.Context, dir string, environ []string, home string) (*Inputs, error) {
	p, err := project.Load(dir, environ, home)
	if err != nil {
		return nil, err
	}
	in := &Inputs{Project: p, Dirs: state.NewDirs(p.Dir), Warnings: slices.Clone(p.Warnings)}
	if p.KeepCompose {
		if err := in.readKept(ctx); err != nil {
			return nil, err
		}
		in.ComposeFiles = append(slices.Clone(in.Kept.Files), in.ComposePath())
	} else {
		in.ComposeFiles = in.ownFiles()
		in.readOverride(ctx)
	}
	in.PostgresImage = cmp.Or(in.PostgresImage, in.Project.PostgresImage)
	in.readImages(ctx)
	if _, err := in.Administrator(); err != nil && in.Project.External {
		return nil, err
	}
	in.sum(home)
	return in, nil
}

// ownFiles are odpm's compose file and the override where it exists.
func (in *Inputs) ownFiles() []string {
	files := []string{in.ComposePath()}
	for _, name := range []string{"docker-compose.override.yml", "docker-compose.override.yaml", "compose.override.yml", "compose.override.yaml"} {
		path := filepath.Join(in.Project.Dir, name)
		if _, err := os.Stat(path); err == nil {
			return append(files, path)
		}
	}
	return files
}

// ComposePath is the compose file that odpm writes: its own, or the one that it
// lays over a kept one.
func (in *Inputs) ComposePath() string {
	if in.Kept != nil {
		return filepath.Join(in.Project.Dir, compose.OverlayName)
	}
	return filepath.Join(in.Project.Dir, compose.FileName)
}

// StackDir is compose's project directory: the files' relative paths start
// there. A kept file that COMPOSE_FILE names may lie in a directory below.
func (in *Inputs) StackDir() string {
	if in.Kept != nil {
		return in.Kept.Dir
	}
	return in.Project.Dir
}

// ComposeEnv is what compose interpolates with: the same layers that odpm
// reads, which compose would not know of (~/.odpm/.env).
func (in *Inputs) ComposeEnv() []string {
	var env []string
	for k, v := range in.Project.Env {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	return env
}

// Rel shows a path of the project the way a person typed it.
func (in *Inputs) Rel(path string) string {
	if r, err := filepath.Rel(in.Project.Dir, path); err == nil && filepath.IsLocal(r) {
		return r
	}
	return path
}

// DataName is the data directory, the volume or the server elsewhere, for
// messages.
func (in *Inputs) DataName() string {
	switch {
	case in.Project.External:
		host, port := in.ExternalAddress()
		return "the server at " + net.JoinHostPort(host, strconv.Itoa(port))
	case in.Project.DataVolume != "":
		return "volume " + in.Project.Volume()
	case in.Project.DataDir == "":
		return "an anonymous volume of service " + in.Project.ServiceName
	}
	return in.Project.DataDir
}

// LockTarget is the directory whose lock serialises runs across projects.
func (in *Inputs) LockTarget() string {
	switch {
	case in.Project.External:
		return ""
	case in.Project.DataVolume != "":
		return "/volume/" + in.Project.DataVolume
	}
	return in.Project.DataDir
}

// ServiceOf is the service that a host name means to Odoo, as compose resolves
// names: PostgreSQL's, or one in front of it such as a pooler. "" is none, and
// Odoo's own.
func (in *Inputs) ServiceOf(host string) string {
	p := in.Project
	doc := in.Merged
	if in.Kept != nil {
		doc = in.Kept.Doc
	}
	name := foreign.ServiceOf(doc, p.OdooServiceName, host)
	if _, added := p.Services[host]; name == "" && (added || !p.External && host == p.ServiceName) {
		name = host
	}
	if name == p.OdooServiceName {
		return ""
	}
	return name
}

// OdooNetworks are the networks of Odoo's container, by the engine's names.
func (in *Inputs) OdooNetworks() []string {
	if in.Merged == nil {
		return []string{cmp.Or(in.Project.Network, in.Project.Name+"_default")}
	}
	var out []string
	for key := range in.Merged.Services[in.Project.OdooServiceName].Networks {
		out = append(out, in.Merged.Networks[key].Name)
	}
	slices.Sort(out)
	return out
}

// Listens are the ports that the options of Odoo's service have Odoo listen on in its
// container, 0 where they say none.
func (in *Inputs) Listens() (http, gevent int) {
	switch {
	case in.Kept != nil && in.Kept.Odoo != nil:
		return foreign.ListensOn(in.Kept.Doc.Services[in.Kept.Odoo.Service])
	case in.Merged != nil:
		return foreign.ListensOn(in.Merged.Services[in.Project.OdooServiceName])
	}
	return 0, 0
}

// AddonsMounts are the directories with addons in Odoo's container: addons/, and
// what an override mounts where Python odpm did.
func (in *Inputs) AddonsMounts() []string {
	out := []string{compose.AddonsTarget}
	if in.Merged != nil {
		for _, v := range in.Merged.Services[in.Project.OdooServiceName].Volumes {
			if strings.Contains(v.Target, "/extra-addons/") && !slices.Contains(out, v.Target) {
				out = append(out, v.Target)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ContainerPort is where PostgreSQL listens on the compose network.
func (in *Inputs) ContainerPort() int {
	if in.Kept != nil && in.Kept.Postgres.ContainerPort != 0 {
		return in.Kept.Postgres.ContainerPort
	}
	return compose.PostgresPort
}

// FilestoreInVolume tells whether a kept compose file has Odoo's data_dir in a
// volume instead of a directory of this machine, and which file that is.
func (in *Inputs) FilestoreInVolume() (file string, inVolume bool) {
	if in.Kept == nil || in.Kept.Odoo.DataDir != "" {
		return "", false
	}
	return in.Rel(in.Kept.Files[0]), true
}

// Wanted is the application role. stack: Odoo runs in a container.
func (in *Inputs) Wanted(stack bool) cluster.Wanted {
	return cluster.Wanted{Role: in.Project.AppRole, Password: in.Project.AppPassword, Unsaid: in.Kept != nil && in.Project.AppPasswordSource == "default",
		Host: in.certificateName(stack), SSLMode: in.SSLMode(stack), TLSFiles: in.TLSFiles(stack)}
}

// Hints say how to become administrator of this cluster. bootstrap is the
// remembered password of the superuser that odpm made, "" for none.
func (in *Inputs) Hints(bootstrap string, stack bool) cluster.Hints {
	h := cluster.Hints{App: in.Wanted(stack), Password: bootstrap}
	switch {
	case in.Project.External:
		a, _ := in.Administrator()
		if a.User != "" {
			h.Admins = []string{a.User}
		}
		h.Password, h.AdminURL = a.Password, AdminURLKey
	case in.Kept != nil:
		// What the file says may be a password that everybody knows.
		h.Password, h.Made = in.Kept.Postgres.Password, bootstrap
		if role := in.Kept.Postgres.Role; role != "" {
			h.Admins = []string{role}
		}
	}
	return h
}

// Filestores says where the project's file stores are. native: Odoo runs on
// this machine itself.
func (in *Inputs) Filestores(native bool) filestore.Layout {
	p := in.Project
	return filestore.Layout{DataDir: p.OdooDataDir, Dir: p.FilestoreDir, Databases: p.FilestoreDirs,
		Linked: native, EnvFile: filepath.Join(p.Dir, ".env")}
}

// MayChangeRoles: on an external server only with an administrator.
func (in *Inputs) MayChangeRoles() bool {
	return !in.Project.External || in.Project.Env[AdminURLKey] != ""
}

// Administrator is what ODPM_POSTGRES_ADMIN_URL says; where the server is,
// odoo.conf says.
type Administrator struct{ User, Password, SSLMode string }

// Administrator reads it, the zero value for none.
func (in *Inputs) Administrator() (a Administrator, err error) {
	text := in.Project.Env[AdminURLKey]
	if text == "" {
		return a, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil || u.User.Username() == "" || u.Scheme != "postgresql" && u.Scheme != "postgres" {
		// The text itself may hold the password.
		return a, fmt.Errorf("%s is not a URL of the form postgresql://USER:PASSWORD@HOST", AdminURLKey)
	}
	for key := range u.Query() {
		// What is not followed is not passed over: it may be a demand.
		if key != "sslmode" {
			return a, fmt.Errorf("%s has a parameter that odpm does not support: only sslmode may follow the ?; TLS files are named by PGSSLROOTCERT, PGSSLCERT and PGSSLKEY in the environment", AdminURLKey)
		}
	}
	a.User, a.SSLMode = u.User.Username(), u.Query().Get("sslmode")
	a.Password, _ = u.User.Password()
	return a, nil
}

// ExternalAddress is where odoo.conf says that the external server is.
func (in *Inputs) ExternalAddress() (host string, port int) {
	p := in.Project
	port = 5432
	if p.OdooConf == nil {
		return "", port
	}
	host, _ = p.OdooConf.Value("db_host", p.OdooMajor)
	if n, ok, err := p.OdooConf.Int("db_port", p.OdooMajor); ok && err == nil {
		port = n
	}
	return host, port
}

// undecided: a kept file has several services that could be meant, or none.
func undecided(what, key, file string, candidates []string) error {
	if len(candidates) == 0 {
		return fmt.Errorf("%s: no service looks like %s; name it in .env: %s=…", file, what, key)
	}
	return fmt.Errorf("%s: which service is %s? Name it in .env: %s=%s", file, what, key, strings.Join(candidates, " or "))
}
