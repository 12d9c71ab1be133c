package compose

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/odooconf"
)

// confOnHost is the odoo.conf that a service has mounted, "" for none.
func confOnHost(s types.ServiceConfig) string {
	named := optionOf(s.Command, "-c", "--config")
	found := ""
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		target := path.Clean(v.Target)
		switch {
		case named != "" && target == path.Clean(named), env(s, "ODOO_RC") != "" && target == path.Clean(env(s, "ODOO_RC")):
			return v.Source
		case strings.HasPrefix(target, "/etc/odoo/") && strings.HasSuffix(target, ".conf"):
			found = v.Source
		case target == "/etc/odoo" || named != "" && path.Dir(named) == target:
			for _, name := range []string{path.Base(named), "odoo.conf", "openerp-server.conf"} {
				if info, err := os.Stat(filepath.Join(v.Source, name)); err == nil && info.Mode().IsRegular() && found == "" {
					found = filepath.Join(v.Source, name)
				}
			}
		}
	}
	return found
}

// optionOf is the value of an option of Odoo's in a command, "" without it.
func optionOf(command []string, names ...string) string {
	words := command
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	for i, w := range words {
		name, value, joined := strings.Cut(w, "=")
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		for _, n := range names {
			if name == n {
				return value
			}
		}
	}
	return ""
}

// odooData finds Odoo's data_dir in the container, and what holds it.
func (f *Foreign) odooData(s types.ServiceConfig) {
	o := f.Odoo
	o.DataTarget, o.DataKnown = optionOf(s.Command, "--data-dir", "-D"), true
	confs := []string{o.ConfPath}
	if !officialOdoo(s.Image) {
		// What a person says there because odpm has asked.
		confs = append(confs, filepath.Join(f.Dir, "odoo.conf"))
	}
	for _, path := range confs {
		if o.DataTarget != "" || path == "" {
			continue
		}
		if conf, err := odooconf.Load(path); err == nil {
			o.DataTarget, _ = conf.Value("data_dir", 0)
		}
	}
	if o.DataTarget == "" && !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return below(OdooDataTarget, path.Clean(v.Target)) }) {
		o.DataTarget = underHome(s)
	}
	if o.DataTarget == "" || !path.IsAbs(o.DataTarget) {
		o.DataTarget, o.DataKnown = OdooDataTarget, officialOdoo(s.Image)
	}
	o.DataTarget = path.Clean(o.DataTarget)
	var best *types.ServiceVolumeConfig
	for i, v := range s.Volumes {
		target := path.Clean(v.Target)
		rel := strings.TrimPrefix(target, o.DataTarget+"/")
		switch {
		case below(o.DataTarget, target):
			if best == nil || len(target) >= len(path.Clean(best.Target)) {
				best = &s.Volumes[i]
			}
		case rel != "filestore" && path.Dir(rel) != "filestore" || !below(target, o.DataTarget):
		case v.Type != types.VolumeTypeBind && f.device(v) == "":
			if o.FilestoreVolumes == nil {
				o.FilestoreVolumes = map[string]string{}
			}
			o.FilestoreVolumes[rel] = f.volumeName(v)
		case rel == "filestore":
			o.FilestoreDir = firstOf(f.device(v), v.Source)
		default:
			if o.FilestoreDirs == nil {
				o.FilestoreDirs = map[string]string{}
			}
			o.FilestoreDirs[path.Base(rel)] = firstOf(f.device(v), v.Source)
		}
	}
	if best == nil {
		return
	}
	o.DataKnown = true
	rel := strings.TrimPrefix(strings.TrimPrefix(o.DataTarget, path.Clean(best.Target)), "/")
	if v := best.Volume; v != nil {
		rel = path.Join(v.Subpath, rel)
	}
	switch dir := f.device(*best); {
	case dir != "":
		o.DataDir = filepath.Join(dir, rel)
	case best.Type == types.VolumeTypeVolume && best.Source != "":
		o.DataVolume, o.DataRel = f.volumeName(*best), rel
	}
}

// underHome is Odoo's own data_dir, ~/.local/share/Odoo, where a mount covers one;
// "" without it.
func underHome(s types.ServiceConfig) string {
	const place = "/.local/share/Odoo"
	for _, v := range s.Volumes {
		target := path.Clean(v.Target)
		for at := place; at != "/"; at = path.Dir(at) {
			if home, ok := strings.CutSuffix(target, at); ok && home != "" {
				return home + place
			}
		}
	}
	return ""
}

// device is the directory of this machine behind a mount, "" for none.
func (f *Foreign) device(v types.ServiceVolumeConfig) string {
	if v.Type == types.VolumeTypeBind {
		return v.Source
	}
	def := f.Doc.Volumes[v.Source]
	for _, o := range strings.Split(def.DriverOpts["o"], ",") {
		if o = strings.TrimSpace(o); (o == "bind" || o == "rbind") && (def.Driver == "" || def.Driver == "local") {
			return def.DriverOpts["device"]
		}
	}
	return ""
}

// volumeName is the engine's name of a volume.
func (f *Foreign) volumeName(v types.ServiceVolumeConfig) string {
	return firstOf(f.Doc.Volumes[v.Source].Name, v.Source)
}
