package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/shell"
)

// external: no service is PostgreSQL, and Odoo is pointed at a server that is none
// of compose's: an address, or a name with a dot.
func (p *proposer) external() bool {
	if p.Odoo == nil || len(p.PostgresCandidates) > 0 {
		return false
	}
	host := p.Odoo.Host
	if path := p.conf(); path != "" {
		if conf, err := odooconf.Load(path); err == nil {
			if v, ok := conf.Value("db_host", 0); ok {
				host = v
			}
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
			Message: fmt.Sprintf("the cluster of service %s is in the container %s itself (%s is no mount): it is lost with the container", pg.Service, made.Name, pg.PGData),
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
func (f *Foreign) InLayer(made map[string]Made) []string {
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
		return p.Volumes[name]
	}
	dir := p.Data
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.dir, dir)
	}
	entries, err := os.ReadDir(dir)
	return len(entries) > 0 || errors.Is(err, fs.ErrPermission)
}

// withoutContainer: nothing says in which anonymous volume the data are, or
// whether there are any. `docker compose down` leaves such a volume there, and
// its name with nobody.
func (p *proposer) withoutContainer(x Problem) Problem {
	if _, ok := p.Made[p.Postgres.Service]; ok || p.Made == nil {
		return x
	}
	if from := p.containersOf(p.Postgres.Service); from != "" {
		x.Message += fmt.Sprintf(". It takes mounts from %s (volumes_from), and no container of %s is there to look at", from, p.Postgres.Service)
		x.Way = p.makeContainers()
		return x
	}
	x.Message += fmt.Sprintf(". No container of %s is there: either it never ran on this machine, or its data are in an anonymous volume that nothing uses now", p.Postgres.Service)
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
	return "docker compose -f " + shell.Quote(p.Files[0]) + " up --no-start        makes the containers and starts none; odpm finds the data by them"
}

// has tells whether a volume is there that could have data.
func (p Place) has(volume string) bool { return p.Volumes == nil || p.Volumes[volume] }

// standardPlace is where the official image has the cluster below its mount.
func (p *ForeignPostgres) standardPlace() string {
	if p.Major >= 18 {
		return strconv.Itoa(p.Major) + "/docker"
	}
	return ""
}

// Elsewhere are the file's data that a project has in another place. same
// compares directories.
func (f *Foreign) Elsewhere(p project.Project, at Place, same func(a, b string) bool) []Problem {
	var out []Problem
	is := func(what, theirs, ours, key string) {
		out = append(out, Problem{Code: "place", Blocking: true, Message: fmt.Sprintf("%s of %s are in %s, and this project's are in %s", what, filepath.Base(f.Files[0]), theirs, ours),
			Way: key + "=" + hostPath(p.Dir, theirs) + " in .env"})
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
			out = append(out, Problem{Code: "place", Blocking: true, Message: fmt.Sprintf("PostgreSQL's data of %s are in the volume %s, and this project's are in %s", filepath.Base(f.Files[0]), volume, ours),
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
	for _, name := range slices.Sorted(mapsKeys(o.FilestoreDirs)) {
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

// odooPlace: a directory of this machine that has Odoo's data stays it; a
// volume's are copied, since odpm reads and writes the file store itself. A
// database without its file store is half a database, so that blocks until
// there is something in the place.
func (p *proposer) odooPlace() {
	o := p.Odoo
	want := filepath.Join(p.dir, "data", "odoo")
	if p.OdooData != "" {
		want = p.OdooData
	} else if o.DataDir != "" && o.DataDir != want {
		p.set("ODOO_DATA_DIR", p.rel(o.DataDir), "Odoo's data_dir")
		want = o.DataDir
	}
	if o.FilestoreDir != "" {
		p.set("ODOO_FILESTORE_DIR", p.rel(o.FilestoreDir), "")
	}
	if len(o.FilestoreDirs) > 0 {
		var pairs []string
		for name, dir := range o.FilestoreDirs {
			pairs = append(pairs, shell.Quote(name+"="+p.rel(dir)))
		}
		slices.Sort(pairs)
		p.set("ODOO_FILESTORE_DIRS", strings.Join(pairs, " "), "")
	}
	if o.DataVolume != "" && p.has(o.DataVolume) && !p.filled(want) {
		p.copyData("the volume "+o.DataVolume, o.DataVolume, o.DataRel, want)
	}
	for _, rel := range slices.Sorted(mapsKeys(o.FilestoreVolumes)) {
		if to := filepath.Join(want, rel); p.has(o.FilestoreVolumes[rel]) && !p.filled(to) {
			p.copyData("the volume "+o.FilestoreVolumes[rel], o.FilestoreVolumes[rel], "", to)
		}
	}
	if o.DataDir == "" && o.DataVolume == "" {
		p.odooUnmounted(want)
	}
}

// sayDataDir adds to an odoo.conf that is there.
func (p *proposer) sayDataDir(at string) string {
	own := filepath.Join(p.dir, "odoo.conf")
	begin, into := "[options]", ">"
	if path := p.conf(); path != "" {
		begin, into = "", ">>"
		if path != own {
			return fmt.Sprintf("set it in a copy of odoo.conf: cp %s %s && printf '\\ndata_dir = %s\\n' >> %s", shell.Quote(path), shell.Quote(own), at, shell.Quote(own))
		}
	}
	return fmt.Sprintf("set it in odoo.conf: printf '%s\\ndata_dir = %s\\n' %s %s", begin, at, into, shell.Quote(own))
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// odooUnmounted: the file mounts nothing at data_dir. Docker Hub's own example
// does not, and the image declares a volume there: every attachment is in an
// anonymous one.
func (p *proposer) odooUnmounted(want string) {
	o := p.Odoo
	if !o.DataKnown {
		var at []string
		for _, v := range o.Mounts {
			if v.Type == types.VolumeTypeVolume && !v.ReadOnly && v.Target != AddonsTarget && !below(v.Target, "/etc") {
				at = append(at, v.Target)
			}
		}
		if len(at) > 0 && !p.filled(want) {
			p.problem(Problem{Code: "data_dir", Blocking: true,
				Message: fmt.Sprintf("service %s may keep Odoo's data (the file store) in %s: neither its command nor odoo.conf says what data_dir is", o.Service, strings.Join(at, " or ")),
				Way:     p.sayDataDir(at[0])})
			return
		}
	}
	made, ok := p.Made[o.Service]
	if from := p.containersOf(o.Service); !ok && p.Made != nil && from != "" && !p.filled(want) {
		p.problem(Problem{Code: "odoo_data", Blocking: true,
			Message: fmt.Sprintf("service %s takes mounts from %s (volumes_from), which may have Odoo's data (the file store), and no container of %s is there to look at", o.Service, from, o.Service),
			Way:     p.makeContainers()})
		return
	}
	if !ok || p.filled(want) {
		return
	}
	m := made.covering(o.DataTarget)
	switch {
	case m != nil && m.Volume != "":
		rel := strings.TrimPrefix(strings.TrimPrefix(o.DataTarget, path.Clean(m.Destination)), "/")
		p.copyData("the anonymous volume of container "+made.Name+", which is not found any more once that is removed", m.Volume, rel, want)
	case m != nil:
		p.set("ODOO_DATA_DIR", p.rel(filepath.Join(m.Source, strings.TrimPrefix(o.DataTarget, path.Clean(m.Destination)))), "Odoo's data_dir")
	case p.Copying:
		p.out.Copies = append(p.out.Copies, Copy{Container: made.Name, From: o.DataTarget, To: want, Image: p.tools()})
	default:
		p.problem(Problem{Code: "odoo_data", Blocking: true,
			Message: fmt.Sprintf("Odoo's data (the file store) are in the container %s itself (%s is no mount): they are lost with the container", made.Name, o.DataTarget),
			Way:     p.owned(fmt.Sprintf("mkdir -p %s && docker cp -a %s:%s/. %s", shell.Quote(want), made.Name, o.DataTarget, shell.Quote(want)), want)})
	}
}

// copyData: what is printed is safe to repeat, and leaves the source as it is.
func (p *proposer) copyData(what, volume, rel, to string) {
	if p.Copying {
		p.out.Copies = append(p.out.Copies, Copy{Volume: volume, From: strings.TrimSuffix("/"+rel, "/"), To: to, Image: p.tools()})
		return
	}
	from := "/from"
	if rel != "" {
		from = path.Join(from, rel)
	}
	script := "cp -a " + shell.Quote(from+"/.") + " /to/"
	if p.Owner != "" {
		script += " && chown -R " + p.Owner + " /to"
	}
	p.problem(Problem{Code: "odoo_data", Blocking: true,
		Message: fmt.Sprintf("Odoo's data (the file store) are in %s; odpm keeps them in %s", what, p.rel(to)),
		Way: fmt.Sprintf("with Odoo stopped, copy them: mkdir -p %s && docker run --rm --user 0 -v %s:/from:ro -v %s:/to --entrypoint sh %s -c %s",
			shell.Quote(to), volume, shell.Quote(to), p.tools(), shell.Quote(script))})
}

// owned adds what makes a copy the person's.
func (p *proposer) owned(command, dir string) string {
	if p.Owner == "" {
		return command
	}
	return command + fmt.Sprintf(" && docker run --rm --user 0 -v %s:/to --entrypoint chown %s -R %s /to", shell.Quote(dir), p.tools(), p.Owner)
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
		add("POSTGRES_PORT", strconv.Itoa(PostgresPort))
		add("POSTGRES_BIND", "127.0.0.1")
	}
	if o := p.Odoo; o != nil {
		add("ODOO_SERVICE_NAME", o.Service)
		add("ODOO_IMAGE", o.Image)
		add("ODOO_PORT", strconv.Itoa(OdooHTTPPort))
		add("GEVENT_PORT", strconv.Itoa(OdooGeventPort))
		add("ODOO_DATA_DIR", "data/odoo")
	}
}
