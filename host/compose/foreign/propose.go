package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project/tag"
)

// Var is one line of the proposed .env.
type Var struct {
	Key, Value string
	// Why is the comment above it, "" for none.
	Why string
	// Secret values are not shown.
	Secret bool
	// Ref is a variable of .env that has the value: it is written as ${Ref}, "" for the
	// value itself.
	Ref string
}

// Proposal is a .env and an odpm.json with which odpm's own compose file goes
// on with the same data, ports, names and login.
type Proposal struct {
	Vars []Var
	// Manifest is odpm.json.
	Manifest []byte
	// Conf is odoo.conf, a copy of ConfPath; nil where there is one in the
	// directory, or none to copy. ConfEdited: it is the one in the directory, with
	// another address of PostgreSQL.
	Conf       []byte
	ConfPath   string
	ConfEdited bool
	// Copies are what is copied before the new stack starts.
	Copies []Copy
	// Theirs are the variables that the foreign file itself reads.
	Theirs map[string]bool
	// Problems are the file's and what the proposal itself cannot carry over.
	Problems []Problem
}

// Made is a container that compose made of a service, in any state.
type Made struct {
	Name, Image string
	Mounts      []MadeMount
}

// Copy is what a volume or a container has at From, an absolute path in it ("" is
// a whole volume), for To. Image has a shell and cp.
type Copy struct {
	Volume, Container, From string
	To, Image               string
}

// MadeMount is one of its mounts: a volume by the engine's name, or a directory
// of this machine.
type MadeMount struct{ Volume, Source, Destination string }

// Place is where a foreign file is taken over.
type Place struct {
	// Dir will be the project's directory: the file's own, or another one.
	Dir string
	// Made are the containers of the stack by service, nil where no engine was
	// asked.
	Made map[string]Made
	// Volumes are the engine's volumes by name, nil where no engine was asked. A
	// stack that never ran has made none.
	Volumes map[string]bool
	// Copied are the directories that a takeover has copied Odoo's data to: there
	// may have been none.
	Copied []string
	// Data is POSTGRES_DATA_DIR as it is set already, "" where it is not.
	Data string
	// External: PostgreSQL runs elsewhere (ODPM_POSTGRES=external).
	External bool
	// ExternalWay is what a person types for a server elsewhere, "" for .env.
	ExternalWay string
	// OdooData is where the project has Odoo's data, "" for where the file's are,
	// or data/odoo.
	OdooData string
	// Copying: who proposes copies what must be copied, and no command is given for
	// it.
	Copying bool
	// Owner is whom copies belong to, uid:gid in a container; "" leaves what is
	// copied to its owner.
	Owner string
}

// Propose makes the files for a directory.
func (f *File) Propose(at Place) Proposal {
	p := proposer{File: f, Place: at, dir: at.Dir}
	for _, x := range f.Problems {
		switch x.Code {
		case "no_postgres":
			if at.External || p.external() {
				continue
			}
			x.Way = firstOf(at.ExternalWay, x.Way)
		case "major_old":
			if at.External {
				continue
			}
		case "anonymous_volume", "mount_target":
			if p.madeData() || at.Data != "" {
				continue
			}
			x = p.withoutContainer(x)
		case "image_unknown":
			if p.madeData() || at.Data != "" {
				continue
			}
		case "build":
			if at.Copying {
				x.Way = "odpm adopt builds it if it is missing, and odpm's own file names the image; to rebuild it later, name the kept file to docker compose (-f), build the service, and run odpm"
			}
		}
		p.out.Problems = append(p.out.Problems, x)
	}
	p.names()
	p.images()
	p.data()
	if v := f.Labels(); v != nil {
		p.out.Vars = append(p.out.Vars, *v)
	}
	p.ports()
	p.login()
	p.around()
	p.manifest()
	p.theirs()
	return p.out
}

// Lost are the problems with which a new stack would not have the same data.
func (p Proposal) Lost() []Problem {
	var out []Problem
	for _, x := range p.Problems {
		switch x.Code {
		case "no_postgres", "no_odoo", "candidates":
			// Which is meant is asked where there is a choice.
		case "odoo_conf":
			// odpm's run goes by its own.
		default:
			if x.Blocking {
				out = append(out, x)
			}
		}
	}
	return out
}

// Blocking tells whether a problem needs an answer first.
func (p Proposal) Blocking() bool {
	for _, x := range p.Problems {
		if x.Blocking {
			return true
		}
	}
	return false
}

type proposer struct {
	*File
	Place
	dir             string
	postgresVersion string
	// elsewhere: the file leads to a server that is none of its services.
	elsewhere bool
	out       Proposal
}

func (p *proposer) set(key, value, why string) {
	p.out.Vars = append(p.out.Vars, Var{Key: key, Value: value, Why: why})
}

func (p *proposer) problem(x Problem) { p.out.Problems = append(p.out.Problems, x) }

// rel writes paths below the project relative to it.
func (p *proposer) rel(path string) string { return compose.HostPath(p.dir, path) }

func (p *proposer) names() {
	pg, odoo := p.PostgresService(), p.OdooService()
	if prefix, ok := strings.CutSuffix(pg, "-db"); ok && prefix == p.Name && odoo == prefix+"-odoo" {
		p.set("ODPM_COMPOSE_PREFIX", prefix, "the names of the services and of the compose project")
		return
	}
	if p.Name != "" && p.Name != loader.NormalizeProjectName(filepath.Base(p.dir)) {
		p.set("COMPOSE_PROJECT_NAME", p.Name, "the compose project that the containers and volumes belong to")
	}
	if pg != "" && pg != "db" {
		p.set("POSTGRES_SERVICE_NAME", pg, "")
	}
	if odoo != "" && odoo != "odoo" {
		p.set("ODOO_SERVICE_NAME", odoo, "")
	}
}

// Labels is the setting for mounts that have an SELinux label, nil where none has.
func (f *File) Labels() *Var {
	if !f.labelled() {
		return nil
	}
	return &Var{Key: "ODPM_SELINUX", Value: "z", Why: "mounts have an SELinux label, as in the file"}
}

func (p *proposer) images() {
	if pg := p.Postgres; pg != nil {
		switch {
		case tag.Major(pg.Tag) > 0:
			p.postgresVersion = pg.Tag
		case pg.Major > 0:
			p.postgresVersion = strconv.Itoa(pg.Major)
		}
		switch image := p.imageOf(p.Doc.Services[pg.Service]); {
		case pg.Image == "" && p.postgresVersion != "" && image != "":
			p.set("POSTGRES_IMAGE", image, "the name that docker compose gives the image that it builds")
		case pg.Image != "" && pg.Image != "postgres:"+p.postgresVersion:
			p.set("POSTGRES_IMAGE", pg.Image, "")
		}
	}
	if o := p.Odoo; o != nil {
		if p.pythons() {
			p.problem(Problem{Code: "python_image", Message: fmt.Sprintf("service %s runs Odoo from mounted sources, in an image that Python odpm builds; odpm runs the official image of odoo_version", o.Service),
				Way: "for Odoo's own source: ODOO_IMAGE in .env, an image that has it"})
			return
		}
		switch image := p.OdooImage(); {
		case o.Image == "" && (image == "" || o.Version == ""):
			// Without a version the next command asks for one.
		case o.Image == "":
			p.set("ODOO_IMAGE", image, "the name that docker compose gives the image that it builds")
		case image != "" && image != "odoo:"+o.Version:
			p.set("ODOO_IMAGE", image, "")
		}
		if o.Version == "" {
			p.problem(Problem{Code: "odoo_version", Message: fmt.Sprintf("image %q of service %s does not say Odoo's version", o.Image, o.Service),
				Way: "write it into odpm.json: \"odoo_version\": \"18.0\""})
		}
	}
}

// pythons: the file is Python odpm's own, whose program in the container writes
// odoo.conf and becomes Odoo.
func (f *File) pythons() bool {
	return slices.ContainsFunc(f.Doc.Services[f.Odoo.Service].Command, func(w string) bool { return strings.Contains(w, "dev_project.") })
}

func (p *proposer) data() {
	switch pg := p.Postgres; {
	case pg == nil:
	case pg.DataVolume != "" && !p.has(pg.DataVolume):
		if p.Data == "" && p.notHere(pg.DataVolume, pg.Service, "PostgreSQL's data") {
			break
		}
		if p.Data == "" {
			if p.newCluster() != defaultCluster {
				p.set("POSTGRES_DATA_DIR", "./"+p.newCluster(), "a new cluster, beside Odoo's data")
			}
			p.problem(Problem{Code: "never_ran", Message: fmt.Sprintf("Docker has no volume %s: this stack never ran on this machine as compose project %s, so a new cluster will be made in %s", pg.DataVolume, p.Name, p.newCluster()),
				Way: "if it ran under another name: COMPOSE_PROJECT_NAME=NAME in .env, then run the same command again (docker volume ls lists the volumes)"})
		}
	case pg.DataVolume != "":
		value, why := "volume:"+pg.DataVolume, "the volume as Docker knows it"
		if pg.DataRel != "" {
			value += "/" + pg.DataRel
		}
		if pg.DataFrom != "" {
			why = "the anonymous volume of container " + pg.DataFrom
		}
		p.set("POSTGRES_DATA_DIR", value, why)
	case pg.DataDir != "":
		p.set("POSTGRES_DATA_DIR", p.rel(pg.DataDir), "")
	}
}

func (p *proposer) ports() {
	if pg := p.Postgres; pg != nil && pg.Port != 0 {
		if pg.Bind != "127.0.0.1" {
			p.set("POSTGRES_BIND", pg.Bind, "as before; 127.0.0.1 is enough if nobody connects from elsewhere")
		}
		p.set("POSTGRES_PORT", strconv.Itoa(pg.Port), "")
	}
	if o := p.Odoo; o != nil {
		if o.HTTPPort != 0 {
			switch o.HTTPBind {
			case "127.0.0.1":
			case "", "::":
				p.set("ODOO_BIND", "0.0.0.0", "as before; 127.0.0.1 is enough if nobody connects from elsewhere")
			default:
				p.set("ODOO_BIND", o.HTTPBind, "")
			}
			p.set("ODOO_PORT", strconv.Itoa(o.HTTPPort), "")
		}
		if o.GeventPort != 0 {
			p.set("GEVENT_PORT", strconv.Itoa(o.GeventPort), "")
		}
	}
}

// login: what odoo.conf says wins in the official entrypoint and in odpm, then
// what Odoo's container is given, then what the cluster was made with.
func (p *proposer) login() {
	var role, password string
	inConf := map[string]string{}
	if p.Odoo != nil {
		role, password = p.Odoo.Role, p.Odoo.Password
		if conf, err := p.loadConf(); conf != nil && err == nil {
			major, _ := strconv.Atoi(strings.TrimSuffix(p.Odoo.Version, ".0"))
			for _, key := range []string{"db_user", "db_password"} {
				if v, ok := conf.Value(key, major); ok {
					inConf[key] = v
				}
			}
		}
	}
	role, password = firstOf(inConf["db_user"], role), firstOf(inConf["db_password"], password)
	if pg := p.Postgres; pg != nil {
		role = firstOf(role, pg.Role)
		if password == "" && role == pg.Role {
			password = pg.Password
		}
	}
	here := p.Odoo != nil && (p.conf() != "" || p.Odoo.ConfText != "")
	switch {
	case role == "postgres":
		p.problem(Problem{Code: "role", Message: "Odoo logs in as postgres there, which Odoo itself refuses; odpm makes the role odoo",
			Way: "set its password: POSTGRES_ODOO_PASS in .env; the databases still belong to postgres until their owner is changed: docs/reference/inherited-clusters.md"})
		return
	case role != "" && !(here && inConf["db_user"] != ""):
		p.set("POSTGRES_ODOO_USER", role, "")
	}
	switch {
	case password != "" && !(here && inConf["db_password"] != ""):
		p.out.Vars = append(p.out.Vars, p.passwordVar(password))
	case password == "":
		p.problem(Problem{Code: "no_password", Message: "the password that Odoo logs in with is not in the file",
			Way: "set POSTGRES_ODOO_PASS in .env, or db_password in odoo.conf"})
	}
}

// filled: the data have been moved already.
func (p *proposer) filled(dir string) bool {
	if slices.Contains(p.Copied, dir) {
		return true
	}
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) > 0
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]*$`)
