package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/shell"
)

// Var is one line of the proposed .env.
type Var struct {
	Key, Value string
	// Why is the comment above it, "" for none.
	Why string
	// Secret values are not shown.
	Secret bool
}

// Proposal is a .env and an odpm.json with which odpm's own compose file goes
// on with the same data, ports, names and login.
type Proposal struct {
	Vars []Var
	// Manifest is odpm.json.
	Manifest []byte
	// Problems are the file's and what the proposal itself cannot carry over.
	Problems []Problem
}

// Propose makes the files for a directory that will be the project's: the
// foreign file's own, or another one.
func (f *Foreign) Propose(dir string) Proposal {
	p := proposer{Foreign: f, dir: dir}
	p.out.Problems = append(p.out.Problems, f.Problems...)
	p.names()
	p.images()
	p.data()
	p.ports()
	p.login()
	p.around()
	p.manifest()
	return p.out
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
	*Foreign
	dir             string
	postgresVersion string
	out             Proposal
}

func (p *proposer) set(key, value, why string) {
	p.out.Vars = append(p.out.Vars, Var{Key: key, Value: value, Why: why})
}

func (p *proposer) problem(x Problem) { p.out.Problems = append(p.out.Problems, x) }

// rel writes paths below the project relative to it.
func (p *proposer) rel(path string) string { return hostPath(p.dir, path) }

func (p *proposer) names() {
	pg, odoo := "", ""
	if p.Postgres != nil {
		pg = p.Postgres.Service
	}
	if p.Odoo != nil {
		odoo = p.Odoo.Service
	}
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
		p.problem(Problem{Code: "service_name", Message: fmt.Sprintf("the Odoo service is called %s; odpm's own is called odoo, and the old container would keep its port", odoo),
			Way: fmt.Sprintf("before the first start: docker compose -p %s rm -s -f %s", p.Name, odoo)})
	}
}

func (p *proposer) images() {
	if pg := p.Postgres; pg != nil {
		switch {
		case tag.Major(pg.Tag) > 0:
			p.postgresVersion = pg.Tag
		case pg.Major > 0:
			p.postgresVersion = strconv.Itoa(pg.Major)
		}
		if pg.Image != "" && pg.Image != "postgres:"+p.postgresVersion {
			p.set("POSTGRES_IMAGE", pg.Image, "")
		}
	}
	if o := p.Odoo; o != nil {
		if o.Image != "" && o.Image != "odoo:"+o.Version {
			p.set("ODOO_IMAGE", o.Image, "")
		}
		if o.Version == "" {
			p.problem(Problem{Code: "odoo_version", Message: fmt.Sprintf("image %q of service %s does not say Odoo's version", o.Image, o.Service),
				Way: "write it into odpm.json: \"odoo_version\": \"18.0\""})
		}
	}
}

func (p *proposer) data() {
	switch pg := p.Postgres; {
	case pg == nil:
	case pg.DataVolume != "":
		p.set("POSTGRES_DATA_DIR", "volume:"+pg.DataVolume, "the volume as Docker knows it")
	case pg.DataDir != "":
		p.set("POSTGRES_DATA_DIR", p.rel(pg.DataDir), "")
	}
}

func (p *proposer) ports() {
	if pg := p.Postgres; pg != nil && pg.Port != 0 {
		if pg.Bind != "127.0.0.1" {
			p.set("POSTGRES_BIND", pg.Bind, "as it was; 127.0.0.1 where nobody connects from elsewhere")
		}
		p.set("POSTGRES_PORT", strconv.Itoa(pg.Port), "")
	}
	if o := p.Odoo; o != nil {
		if o.HTTPPort != 0 {
			p.set("ODOO_PORT", strconv.Itoa(o.HTTPPort), "")
		}
		if o.GeventPort != 0 {
			p.set("GEVENT_PORT", strconv.Itoa(o.GeventPort), "")
		}
	}
}

// login: what odoo.conf says wins in the official entrypoint and in odpm, then
// what Odoo's container is told, then what the cluster was made with.
func (p *proposer) login() {
	var role, password string
	inConf := map[string]string{}
	if p.Odoo != nil {
		role, password = p.Odoo.Role, p.Odoo.Password
		if p.Odoo.ConfPath != "" {
			if conf, err := odooconf.Load(p.Odoo.ConfPath); err == nil {
				major, _ := strconv.Atoi(strings.TrimSuffix(p.Odoo.Version, ".0"))
				for _, key := range []string{"db_user", "db_password"} {
					if v, ok := conf.Value(key, major); ok {
						inConf[key] = v
					}
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
	here := p.Odoo != nil && p.confIsHere()
	switch {
	case role == "postgres":
		p.problem(Problem{Code: "role", Message: "Odoo logs in as postgres there, which Odoo itself refuses; odpm makes the role odoo",
			Way: "set its password: POSTGRES_ODOO_PASS in .env; the databases stay postgres' until their owner is changed: docs/inherited-clusters.md"})
		return
	case role != "" && !(here && inConf["db_user"] != ""):
		p.set("POSTGRES_ODOO_USER", role, "")
	}
	switch {
	case password != "" && !(here && inConf["db_password"] != ""):
		p.out.Vars = append(p.out.Vars, Var{Key: "POSTGRES_ODOO_PASS", Value: password, Secret: true})
	case password == "":
		p.problem(Problem{Code: "no_password", Message: "the password that Odoo logs in with is not in the file",
			Way: "set POSTGRES_ODOO_PASS in .env, or db_password in odoo.conf"})
	}
}

// confIsHere: odpm will read the very file.
func (p *proposer) confIsHere() bool {
	return p.Odoo.ConfPath == filepath.Join(p.dir, "odoo.conf")
}

// around is what odpm's own compose file has in one place only.
func (p *proposer) around() {
	if o := p.Odoo; o != nil {
		if o.ConfPath != "" && !p.confIsHere() {
			p.problem(Problem{Code: "odoo_conf", Message: "Odoo's configuration is " + p.rel(o.ConfPath) + "; odpm reads odoo.conf in the project directory",
				Way: "cp " + shell.Quote(o.ConfPath) + " " + shell.Quote(filepath.Join(p.dir, "odoo.conf"))})
		}
		want := filepath.Join(p.dir, "data", "odoo")
		for _, v := range o.Mounts {
			switch {
			case v.Target == OdooDataTarget && !(v.Type == types.VolumeTypeBind && v.Source == want) && !filled(want):
				p.problem(p.odooData(v, want))
			case v.Target == AddonsTarget && v.Source != filepath.Join(p.dir, "addons"):
				p.problem(Problem{Code: "addons", Message: "addons are mounted from " + p.rel(v.Source) + "; odpm mounts addons/ of the project directory",
					Way: "mv " + shell.Quote(v.Source) + " " + shell.Quote(filepath.Join(p.dir, "addons")) + ", or mount it in docker-compose.override.yml"})
			}
		}
	}
	if len(p.Others) > 0 {
		p.problem(Problem{Code: "other_services", Message: "odpm's own compose file has the two services only; there are also: " + strings.Join(p.Others, ", "),
			Way: "put them into docker-compose.override.yml, which compose merges, or go on with this file as it is: ODPM_COMPOSE=keep in .env"})
	}
}

// filled: the person has moved the data already.
func filled(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) > 0
}

// odooData: a database without its filestore is half a database, so this
// blocks until data/odoo has something in it.
func (p *proposer) odooData(v types.ServiceVolumeConfig, want string) Problem {
	x := Problem{Code: "odoo_data", Blocking: true}
	if v.Type == types.VolumeTypeBind {
		x.Message = "Odoo's data (the filestore) are in " + p.rel(v.Source) + "; odpm keeps them in data/odoo"
		x.Way = "with Odoo stopped: mkdir -p " + shell.Quote(filepath.Dir(want)) + " && mv " + shell.Quote(v.Source) + " " + shell.Quote(want)
		return x
	}
	name := v.Source
	if vol, ok := p.Doc.Volumes[v.Source]; ok {
		name = firstOf(vol.Name, v.Source)
	}
	x.Message = "Odoo's data (the filestore) are in the volume " + name + "; odpm keeps them in data/odoo"
	x.Way = fmt.Sprintf("with Odoo stopped: mkdir -p %s && docker run --rm --user 0 -v %s:/from:ro -v %s:/to --entrypoint cp %s -a /from/. /to/", shell.Quote(want), name, shell.Quote(want), p.Odoo.Image)
	return x
}

func (p *proposer) manifest() {
	m := map[string]string{"platform_name": "odoo"}
	if p.Odoo != nil && p.Odoo.Version != "" {
		m["odoo_version"] = p.Odoo.Version
	}
	if p.postgresVersion != "" {
		m["postgres_version"] = p.postgresVersion
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		// A map of strings always encodes.
		panic(err)
	}
	p.out.Manifest = append(data, '\n')
}

// EnvFile is the .env with the proposal: what is there stays byte for byte,
// what it lacks is added. Keys that are there with another value are given
// back, for a word about them.
func (p Proposal) EnvFile(existing []byte) (content []byte, differing []string, err error) {
	have, err := dotenv.Parse(bytes.NewReader(existing))
	if err != nil {
		return nil, nil, fmt.Errorf(".env cannot be read: %w", err)
	}
	var b bytes.Buffer
	b.Write(existing)
	if len(existing) > 0 && existing[len(existing)-1] != '\n' {
		b.WriteByte('\n')
	}
	for _, v := range p.Vars {
		if old, ok := have[v.Key]; ok {
			if old != v.Value {
				differing = append(differing, v.Key)
			}
			continue
		}
		if v.Why != "" {
			b.WriteString("# " + v.Why + "\n")
		}
		b.WriteString(v.Key + "=" + envQuote(v.Value) + "\n")
	}
	return b.Bytes(), differing, nil
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]*$`)

// envQuote writes a value so that compose's reader gives back the same: single
// quotes keep everything but themselves.
func envQuote(v string) string {
	switch {
	case plainValue.MatchString(v):
		return v
	case !strings.ContainsAny(v, "'\\\n\r"):
		return "'" + v + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`).Replace(v) + `"`
}
