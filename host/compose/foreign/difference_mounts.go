package foreign

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
)

// mounts: the data have their places in .env; every other mount is carried over.
func (d *differ) mounts(s, o types.ServiceConfig, _, _ any) {
	written := d.written(s.Name, "volumes")
	if written != nil && len(written.Content) != len(s.Volumes) {
		written = nil
	}
	list := d.resolved(s.Name, "volumes")
	var keep []*yaml.Node
	for i, v := range s.Volumes {
		target := path.Clean(v.Target)
		place, ok := d.place(s, v)
		if !ok {
			continue
		}
		if slices.ContainsFunc(o.Volumes, func(w types.ServiceVolumeConfig) bool {
			source := v.Source
			if v.Type == types.VolumeTypeVolume {
				source = d.renamed("volumes", source)
			}
			return path.Clean(w.Target) == place && w.Type == v.Type && w.Source == source
		}) {
			continue
		}
		var item *yaml.Node
		if written != nil && place == target && !(v.Type == types.VolumeTypeVolume && d.taken("volumes", v.Source)) {
			item = written.Content[i]
		} else {
			item = list.Content[i]
			yamlnode.Set(item, "target", scalar(place))
			if v.Type == types.VolumeTypeVolume && d.taken("volumes", v.Source) {
				yamlnode.Set(item, "source", scalar(d.renamed("volumes", v.Source)))
			}
		}
		keep = append(keep, item)
		if !v.ReadOnly && v.Type != types.VolumeTypeTmpfs {
			d.diff.Mounts = append(d.diff.Mounts, shownSource(d.p.Dir, v)+" at "+v.Target+" of service "+s.Name)
		}
		if v.Type == types.VolumeTypeVolume && v.Source != "" {
			d.refer("volumes", v.Source)
		}
	}
	if d.isOdoo(s) {
		keep = append(keep, d.ownPlaces(s, o)...)
	}
	if len(keep) > 0 {
		d.out.add(d.own(s), "volumes", keep...)
		d.carried("services." + d.own(s) + ".volumes")
	}
}

func shownSource(dir string, v types.ServiceVolumeConfig) string {
	switch {
	case v.Type == types.VolumeTypeBind:
		return compose.HostPath(dir, v.Source)
	case v.Source == "":
		return "an anonymous volume"
	}
	return "the volume " + v.Source
}

// labelled: a mount of one of the two services has an SELinux label.
func (f *File) labelled() bool {
	for _, s := range []string{f.PostgresService(), f.OdooService()} {
		if slices.ContainsFunc(f.Doc.Services[s].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Bind != nil && v.Bind.SELinux != "" }) {
			return true
		}
	}
	return false
}

// place is where a mount goes in odpm's container, not ok where odpm has its
// source by .env.
func (d *differ) place(s types.ServiceConfig, v types.ServiceVolumeConfig) (string, bool) {
	target := path.Clean(v.Target)
	if !d.isOdoo(s) {
		data := d.Postgres
		switch {
		case target == path.Clean(data.Target) || below(data.PGData, target):
			return "", false
		case below(target, data.PGData):
			return d.p.PGData() + strings.TrimPrefix(target, data.PGData), true
		}
		return target, true
	}
	o := d.Odoo
	switch {
	case below(o.DataTarget, target):
		// What has Odoo's data among other things stays, and they are mounted into it.
		return target, target != o.DataTarget && !below(compose.OdooDataTarget, target) && !below(target, compose.OdooDataTarget) && !d.pythons()
	case (target == compose.OdooDataTarget || below(target, compose.FilestoreTarget)) && !below(o.DataTarget, target) && !below(target, o.DataTarget):
		// Odoo's data_dir was another one, and now its data is there.
		d.otherwise(s.Name, "volumes", target+": Odoo's data_dir was "+o.DataTarget+", so Odoo did not use it")
		return "", false
	case below(target, o.DataTarget):
		rel := strings.TrimPrefix(target, o.DataTarget)
		place := compose.OdooDataTarget + rel
		if below(place, compose.FilestoreTarget) {
			return "", false
		}
		return place, true
	case o.ConfPath != "" && d.device(v) == o.ConfPath:
		return "", false
	case o.ConfPath != "" && d.device(v) == filepath.Dir(o.ConfPath):
		entries, err := os.ReadDir(d.device(v))
		return target, err == nil && len(entries) > 1
	case v.Type == types.VolumeTypeVolume && d.device(v) == "" && target == "/etc/odoo":
		return "", false
	}
	return target, true
}

// rebased follows a path in PGDATA to where odpm's container has it.
func (d *differ) rebased(text string) string {
	if d.Postgres == nil || d.Postgres.PGData == "" {
		return text
	}
	return strings.ReplaceAll(text, d.Postgres.PGData+"/", d.p.PGData()+"/")
}

// movedVolume: it has Odoo's data, which odpm keeps in a directory. They are at rel
// in the volume, "" for its top, and in dir now.
func (d *differ) movedVolume(key string) (dir, rel string, ok bool) {
	if d.Odoo == nil || key == "" {
		return "", "", false
	}
	for _, v := range d.Odoo.Mounts {
		if v.Type != types.VolumeTypeVolume || v.Source != key {
			continue
		}
		target := path.Clean(v.Target)
		if below(d.Odoo.DataTarget, target) {
			return d.p.OdooDataDir, strings.TrimPrefix(strings.TrimPrefix(d.Odoo.DataTarget, target), "/"), true
		}
		if rel := strings.TrimPrefix(target, d.Odoo.DataTarget+"/"); d.Odoo.FilestoreVolumes[rel] != "" {
			return filepath.Join(d.p.OdooDataDir, rel), "", true
		}
	}
	return "", "", false
}

// moveMounts gives another service Odoo's data where they now are: two file
// stores of one database would each have half of it.
func (d *differ) moveMounts(n *yaml.Node) {
	list := yamlnode.Get(n, "volumes")
	if list == nil {
		return
	}
	for _, item := range list.Content {
		source := yamlnode.Get(item, "source")
		if source == nil || yamlnode.Get(item, "type") == nil || yamlnode.Get(item, "type").Value != types.VolumeTypeVolume {
			continue
		}
		dir, rel, moved := d.movedVolume(source.Value)
		if name := d.Doc.Volumes[source.Value].Name; moved && rel != "" && d.Volumes != nil && !d.Volumes[name] {
			// A new volume has nothing, and where it is read-only no directory could be
			// made in it to mount on.
			target := yamlnode.Get(item, "target")
			target.Value, rel = path.Join(target.Value, rel), ""
		}
		if moved && rel != "" {
			// The volume has more than that, and stays.
			within := &yaml.Node{Kind: yaml.MappingNode}
			yamlnode.Set(within, "type", scalar(types.VolumeTypeBind))
			yamlnode.Set(within, "source", scalar(compose.HostPath(d.p.Dir, dir)))
			yamlnode.Set(within, "target", scalar(path.Join(yamlnode.Get(item, "target").Value, rel)))
			if ro := yamlnode.Get(item, "read_only"); ro != nil {
				yamlnode.Set(within, "read_only", ro)
			}
			d.label(within)
			list.Content = append(list.Content, within)
		}
		switch {
		case moved && rel == "":
			yamlnode.Set(item, "type", scalar(types.VolumeTypeBind))
			yamlnode.Set(item, "source", scalar(compose.HostPath(d.p.Dir, dir)))
			drop(item, "volume")
			d.label(item)
		case d.taken("volumes", source.Value):
			yamlnode.Set(item, "source", scalar(d.renamed("volumes", source.Value)))
		}
	}
}

// label is label of a mount that is carried over to a directory of this machine.
func (d *differ) label(mount *yaml.Node) {
	if d.p.SELinux != "" {
		yamlnode.Set(mapping(mount, "bind"), "selinux", scalar(d.p.SELinux))
	}
}
