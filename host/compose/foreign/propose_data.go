package foreign

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/shell"
)

// external: no service is PostgreSQL, and Odoo is pointed at a server that is none
// of compose's: an address, or a name with a dot.
func (p *proposer) external() bool {
	if p.Odoo == nil || len(p.PostgresCandidates) > 0 {
		return false
	}
	host := p.Odoo.Host
	if conf, err := p.loadConf(); conf != nil && err == nil {
		if v, ok := conf.Value("db_host", 0); ok {
			host = v
		}
	}
	if p.Resolves(host) || host == "" || host == "localhost" {
		return false
	}
	if net.ParseIP(strings.Trim(host, "[]")) == nil && !strings.Contains(host, ".") {
		return false
	}
	if !p.elsewhere {
		p.set("ODPM_POSTGRES", "external", "the server is elsewhere: odoo.conf says where")
	}
	p.elsewhere = true
	return true
}

// madeData finds an anonymous volume of PostgreSQL's in the container that has
// it. It stays where it is: from then on it is mounted by its name.
func (p *proposer) madeData() bool {
	pg := p.Postgres
	if pg == nil {
		return false
	}
	made, ok := p.Made[pg.Service]
	if !ok {
		return false
	}
	m := made.covering(pg.PGData)
	switch {
	case m == nil && p.copied():
		return true
	case m == nil:
		p.problem(Problem{Code: "container_layer", Blocking: true,
			Message: fmt.Sprintf("the cluster of service %s is inside the container %s itself (%s is not a mount), so it is lost with the container", pg.Service, made.Name, pg.PGData),
			Way: fmt.Sprintf("docker stop %s && mkdir -p %s && docker cp -a %s:%s/. %s        as root, so that owner and mode stay; then POSTGRES_DATA_DIR=./data/postgresql/data in .env",
				made.Name, shell.Quote(filepath.Join(p.dir, "data/postgresql/data")), made.Name, pg.PGData, shell.Quote(filepath.Join(p.dir, "data/postgresql/data")))})
		return true
	case m.Volume == "":
		return false
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(pg.PGData, path.Clean(m.Destination)), "/")
	if rel == pg.standardPlace() {
		rel = ""
	} else if rel == "" && pg.Major >= 18 {
		return false
	}
	pg.DataVolume, pg.DataRel, pg.DataFrom = m.Volume, rel, made.Name
	return true
}

// InLayer are the services that have their data in the container itself.
func (f *File) InLayer(made map[string]Made) []string {
	var out []string
	if pg := f.Postgres; pg != nil && pg.PGData != "" {
		if m, ok := made[pg.Service]; ok && m.covering(pg.PGData) == nil {
			out = append(out, pg.Service)
		}
	}
	if o := f.Odoo; o != nil && o.DataKnown {
		if m, ok := made[o.Service]; ok && m.covering(o.DataTarget) == nil {
			out = append(out, o.Service)
		}
	}
	return out
}

// copied: a person has taken the cluster out of its container and has named the
// place. One that is empty would be a new cluster; one that only root may look
// into is PostgreSQL's.
func (p *proposer) copied() bool {
	if p.Data == "" {
		return false
	}
	if name, ok := strings.CutPrefix(p.Data, "volume:"); ok {
		name, _, _ = strings.Cut(name, "/")
		return p.Place.Volumes[name]
	}
	dir := p.Data
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.dir, dir)
	}
	entries, err := os.ReadDir(dir)
	return len(entries) > 0 || errors.Is(err, fs.ErrPermission)
}

// withoutContainer: nothing says in which anonymous volume the data is, or
// whether there are any. `docker compose down` leaves such a volume there, and
// its name with nobody.
func (p *proposer) withoutContainer(x Problem) Problem {
	if _, ok := p.Made[p.Postgres.Service]; ok || p.Made == nil {
		return x
	}
	if from := p.containersOf(p.Postgres.Service); from != "" {
		x.Message += fmt.Sprintf(". It takes its mounts from %s (volumes_from), but there is no container of %s to look at", from, p.Postgres.Service)
		x.Way = p.makeContainers()
		return x
	}
	x.Message += fmt.Sprintf(". There is no container of %s: either it never ran on this machine, or its data is in an anonymous volume that no container uses any more", p.Postgres.Service)
	x.Way = "if it never ran: POSTGRES_DATA_DIR=" + p.newCluster() + " in .env, for a new cluster; otherwise find the volume: docker volume ls -f dangling=true, and name it in .env: POSTGRES_DATA_DIR=volume:NAME"
	return x
}

// defaultCluster is where a project has its cluster.
const defaultCluster = "data/postgresql"

// newCluster is where a new cluster is made: never in the directory of Odoo's data.
func (p *proposer) newCluster() string {
	if o := p.Odoo; o != nil && o.DataDir != "" && below(filepath.Join(p.dir, defaultCluster), o.DataDir) {
		return "postgresql"
	}
	return defaultCluster
}

// containersOf are the containers outside of the file whose mounts a service has, ""
// for none. What they have, the service's own container says once it is made.
func (p *proposer) containersOf(service string) string {
	var names []string
	for _, from := range p.Doc.Services[service].VolumesFrom {
		if name, ok := strings.CutPrefix(from, "container:"); ok {
			name, _, _ = strings.Cut(name, ":")
			names = append(names, "the container "+name)
		}
	}
	return strings.Join(names, " and ")
}

func (p *proposer) makeContainers() string {
	return "docker compose -f " + shell.Quote(p.Files[0]) + " up --no-start        creates the containers without starting them, so that odpm can find the data"
}

// has tells whether a volume is there that could have data.
func (p Place) has(volume string) bool { return p.Volumes == nil || p.Volumes[volume] }

// notHere: a volume that the file takes for made already, and that this engine does
// not have, is somewhere else, on another node of a Swarm for instance. One that
// compose makes itself was never made.
func (p *proposer) notHere(volume, service, data string) bool {
	if p.has(volume) {
		return false
	}
	for _, v := range p.Doc.Volumes {
		if v.Name == volume && bool(v.External) {
			p.problem(Problem{Code: "volume_elsewhere", Blocking: true,
				Message: fmt.Sprintf("service %s has %s in the external volume %s, which this Docker engine does not have", service, data, volume),
				Way:     "docker volume create " + shell.Quote(volume) + "        if there is no such data yet; otherwise work on the machine that has the volume"})
			return true
		}
	}
	return false
}

// standardPlace is where the official image has the cluster below its mount.
func (p *Postgres) standardPlace() string {
	if p.Major >= 18 {
		return strconv.Itoa(p.Major) + "/docker"
	}
	return ""
}

// Elsewhere are the file's data that a project has in another place. same
// compares directories.
func (f *File) Elsewhere(p project.Project, at Place, same func(a, b string) bool) []Problem {
	var out []Problem
	is := func(what, theirs, ours, key string) {
		out = append(out, Problem{Code: "place", Blocking: true, Message: fmt.Sprintf("%s of %s is in %s, but this project's is in %s", what, filepath.Base(f.Files[0]), theirs, ours),
			Way: key + "=" + compose.HostPath(p.Dir, theirs) + " in .env"})
	}
	if pg := f.Postgres; pg != nil && !p.External {
		volume, ours := pg.DataVolume, p.DataDir
		if pg.DataRel != "" {
			volume += "/" + pg.DataRel
		}
		if p.DataVolume != "" {
			ours = "volume:" + p.Volume()
		}
		switch {
		case pg.DataVolume != "" && !at.has(pg.DataVolume):
		case pg.DataVolume != "" && ours != "volume:"+volume:
			out = append(out, Problem{Code: "place", Blocking: true, Message: fmt.Sprintf("the PostgreSQL data of %s is in the volume %s, but this project's is in %s", filepath.Base(f.Files[0]), volume, ours),
				Way: "POSTGRES_DATA_DIR=volume:" + volume + " in .env"})
		case pg.DataVolume == "" && pg.DataDir != "" && !same(pg.DataDir, p.DataDir):
			is("PostgreSQL's data", pg.DataDir, ours, "POSTGRES_DATA_DIR")
		}
	}
	o := f.Odoo
	if o == nil {
		return out
	}
	if o.DataDir != "" && !same(o.DataDir, p.OdooDataDir) {
		is("Odoo's data", o.DataDir, p.OdooDataDir, "ODOO_DATA_DIR")
	}
	if o.FilestoreDir != "" && !same(o.FilestoreDir, firstOf(p.FilestoreDir, filepath.Join(p.OdooDataDir, "filestore"))) {
		is("the file stores", o.FilestoreDir, firstOf(p.FilestoreDir, filepath.Join(p.OdooDataDir, "filestore")), "ODOO_FILESTORE_DIR")
	}
	for _, name := range slices.Sorted(maps.Keys(o.FilestoreDirs)) {
		if dir := o.FilestoreDirs[name]; !same(dir, firstOf(p.FilestoreDirs[name], filepath.Join(firstOf(p.FilestoreDir, filepath.Join(p.OdooDataDir, "filestore")), name))) {
			out = append(out, Problem{Code: "place", Blocking: true, Message: fmt.Sprintf("the file store of database %s is in %s", name, dir),
				Way: "ODOO_FILESTORE_DIRS=" + shell.Quote(name+"="+dir) + " in .env"})
		}
	}
	return out
}

// covering is the mount that a path in the container lies in, nil for none.
func (m Made) covering(at string) *MadeMount {
	var best *MadeMount
	for i, x := range m.Mounts {
		if below(at, x.Destination) && (best == nil || len(x.Destination) > len(best.Destination)) {
			best = &m.Mounts[i]
		}
	}
	return best
}

// tools is an image that is on this machine, or can be got, and has a shell and
// cp: PostgreSQL's, since Odoo's may be built without a name.
func (p *proposer) tools() string {
	switch {
	case p.Postgres != nil && p.Postgres.Image != "":
		return p.Postgres.Image
	case p.Odoo != nil && p.Odoo.Image != "":
		return p.Odoo.Image
	case p.Odoo != nil && p.Made[p.Odoo.Service].Image != "":
		return p.Made[p.Odoo.Service].Image
	}
	return "debian:bookworm-slim"
}

var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// theirs notes which variables the file reads, and proposes every key of odpm's
// among them: what their compose file means by ODOO_PORT may be the port in the
// container.
func (p *proposer) theirs() {
	p.out.Theirs = map[string]bool{}
	for _, file := range p.read {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, m := range variable.FindAllSubmatch(data, -1) {
			p.out.Theirs[string(m[1])] = true
		}
	}
	have := map[string]bool{}
	for _, v := range p.out.Vars {
		have[v.Key] = true
	}
	add := func(key, value string) {
		if p.out.Theirs[key] && !have[key] && value != "" {
			p.set(key, value, "")
		}
	}
	if pg := p.Postgres; pg != nil {
		add("POSTGRES_SERVICE_NAME", pg.Service)
		add("POSTGRES_IMAGE", firstOf(pg.Image, "postgres:"+p.postgresVersion))
		add("POSTGRES_PORT", strconv.Itoa(compose.PostgresPort))
		add("POSTGRES_BIND", "127.0.0.1")
	}
	if o := p.Odoo; o != nil {
		add("ODOO_SERVICE_NAME", o.Service)
		add("ODOO_IMAGE", o.Image)
		add("ODOO_PORT", strconv.Itoa(compose.OdooHTTPPort))
		add("GEVENT_PORT", strconv.Itoa(compose.OdooGeventPort))
		add("ODOO_DATA_DIR", "data/odoo")
	}
}
