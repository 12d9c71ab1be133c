package foreign

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/shared/shell"
)

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
	if !p.filled(want) {
		p.notHere(o.DataVolume, o.Service, "Odoo's data (the file store)")
	}
	if o.DataVolume != "" && p.has(o.DataVolume) && !p.filled(want) {
		p.copyData("the volume "+o.DataVolume, o.DataVolume, o.DataRel, want)
	}
	if o.DataDir == "" && o.DataVolume == "" {
		p.odooUnmounted(want)
	}
	// After the directory that they are mounted below, which is copied into an empty one.
	for _, rel := range slices.Sorted(maps.Keys(o.FilestoreVolumes)) {
		to := filepath.Join(want, rel)
		if !p.filled(to) {
			p.notHere(o.FilestoreVolumes[rel], o.Service, "Odoo's file store")
		}
		if p.has(o.FilestoreVolumes[rel]) && !p.filled(to) {
			p.copyData("the volume "+o.FilestoreVolumes[rel], o.FilestoreVolumes[rel], "", to)
		}
	}
}

// sayDataDir adds to an odoo.conf that is there.
func (p *proposer) sayDataDir(at string) string {
	own := filepath.Join(p.dir, "odoo.conf")
	path := p.conf()
	if path == "" && p.Odoo.ConfText != "" {
		return fmt.Sprintf("set it in the odoo.conf in %s: data_dir = %s below [options]", filepath.Base(p.Files[0]), at)
	}
	add := addOptions(own, path, "data_dir = "+at)
	if path != "" && path != own {
		return fmt.Sprintf("set it in a copy of odoo.conf: cp %s %s && %s", shell.Quote(path), shell.Quote(own), add)
	}
	return "set it in odoo.conf: " + add
}

// odooUnmounted: the file mounts nothing at data_dir. Docker Hub's own example
// does not, and the image declares a volume there: every attachment is in an
// anonymous one.
func (p *proposer) odooUnmounted(want string) {
	o := p.Odoo
	if !o.DataKnown {
		var at []string
		for _, v := range o.Mounts {
			if v.Type == types.VolumeTypeVolume && !v.ReadOnly && v.Target != compose.AddonsTarget && !below(v.Target, "/etc") {
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
			Message: fmt.Sprintf("service %s takes its mounts from %s (volumes_from), which may have Odoo's data (the file store), but there is no container of %s to look at", o.Service, from, o.Service),
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
		p.copyData("the anonymous volume of container "+made.Name+", which cannot be found once that container is removed", m.Volume, rel, want)
	case m != nil:
		p.set("ODOO_DATA_DIR", p.rel(filepath.Join(m.Source, strings.TrimPrefix(o.DataTarget, path.Clean(m.Destination)))), "Odoo's data_dir")
	case p.Copying:
		p.out.Copies = append(p.out.Copies, Copy{Container: made.Name, From: o.DataTarget, To: want, Image: p.tools()})
	default:
		p.problem(Problem{Code: "odoo_data", Blocking: true,
			Message: fmt.Sprintf("Odoo's data (the file store) is inside the container %s itself (%s is not a mount), so it is lost with the container", made.Name, o.DataTarget),
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
		Message: fmt.Sprintf("Odoo's data (the file store) is in %s; odpm keeps it in %s", what, p.rel(to)),
		Way: fmt.Sprintf("with Odoo stopped, copy it: mkdir -p %s && docker run --rm --user 0 -v %s:/from:ro -v %s:/to --entrypoint sh %s -c %s",
			shell.Quote(to), volume, shell.Quote(to), p.tools(), shell.Quote(script))})
}

// owned adds what makes a copy the person's.
func (p *proposer) owned(command, dir string) string {
	if p.Owner == "" {
		return command
	}
	return command + fmt.Sprintf(" && docker run --rm --user 0 -v %s:/to --entrypoint chown %s -R %s /to", shell.Quote(dir), p.tools(), p.Owner)
}
