package foreign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/regular"
)

// conf finds the odoo.conf of a service: where it is on this machine, "" for
// nowhere, and where Odoo has it in the container. hidden: what is mounted hides
// the image's own one.
func (f *File) conf(s types.ServiceConfig) (found, at string, hidden bool) {
	named := firstOf(optionOf(odooOptions(s), "-c", "--config"), env(s, "ODOO_RC"))
	names, place := []string{"odoo.conf", "openerp-server.conf"}, compose.OdooConfTarget
	if named != "" {
		names, place = append([]string{path.Base(named)}, names...), path.Clean(named)
	}
	var elsewhere [][2]string
	for _, v := range append(f.fileMounts(s), s.Volumes...) {
		source, target := f.device(v), path.Clean(v.Target)
		covers := below(place, target)
		hidden = hidden || covers
		switch {
		case source == "":
		case target == place:
			return source, target, true
		case path.Dir(target) == "/etc/odoo" && strings.HasSuffix(target, ".conf"):
			found, at, hidden = source, target, true
		case covers, target == "/etc/odoo":
			for _, name := range names {
				if path := filepath.Join(source, name); found == "" && regular.Is(path) {
					found, at = path, target+"/"+name
				}
			}
		case hasOptions(source):
			elsewhere = append(elsewhere, [2]string{source, target})
		case hasOptions(filepath.Join(source, names[0])):
			elsewhere = append(elsewhere, [2]string{filepath.Join(source, names[0]), target + "/" + names[0]})
		}
	}
	// An image of one's own reads it where it likes.
	if found == "" && named == "" && len(elsewhere) == 1 && !officialOdoo(s.Image) {
		return elsewhere[0][0], elsewhere[0][1], true
	}
	return found, at, hidden
}

// given is a config or a secret of a service.
type given struct{ target, file, text string }

// given are the configs and secrets of a service, each with where it is in the
// container and with what it is: a file of this machine, or a text.
func (f *File) given(s types.ServiceConfig) []given {
	var out []given
	add := func(dir string, r types.FileReferenceConfig, def types.FileObjectConfig) {
		at := firstOf(r.Target, r.Source)
		if !path.IsAbs(at) {
			at = dir + at
		}
		text := firstOf(def.Content, f.Doc.Environment[def.Environment])
		out = append(out, given{path.Clean(at), def.File, text})
	}
	for _, r := range s.Configs {
		add("/", types.FileReferenceConfig(r), types.FileObjectConfig(f.Doc.Configs[r.Source]))
	}
	for _, r := range s.Secrets {
		add("/run/secrets/", types.FileReferenceConfig(r), types.FileObjectConfig(f.Doc.Secrets[r.Source]))
	}
	return out
}

// fileMounts are the configs and secrets that are files, as what they are in the
// container: mounts.
func (f *File) fileMounts(s types.ServiceConfig) []types.ServiceVolumeConfig {
	var out []types.ServiceVolumeConfig
	for _, g := range f.given(s) {
		if g.file != "" {
			out = append(out, types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: g.file, Target: g.target, ReadOnly: true})
		}
	}
	return out
}

// confText is the odoo.conf of a service that the compose file itself has.
func (f *File) confText(s types.ServiceConfig) (text, at string) {
	place := firstOf(optionOf(odooOptions(s), "-c", "--config"), env(s, "ODOO_RC"), compose.OdooConfTarget)
	for _, g := range f.given(s) {
		if g.text != "" && (g.target == path.Clean(place) || path.Dir(g.target) == "/etc/odoo" && strings.HasSuffix(g.target, ".conf")) {
			return g.text, g.target
		}
	}
	return "", ""
}

// hasOptions tells a configuration of Odoo's from another program's.
func hasOptions(path string) bool {
	if !regular.Is(path) {
		return false
	}
	conf, err := odooconf.Load(path)
	return err == nil && len(conf.Keys()) > 0
}

// odooData finds Odoo's data_dir in the container, and what holds it.
func (f *File) odooData(s types.ServiceConfig, hidden bool) {
	o := f.Odoo
	o.DataTarget, o.DataKnown = optionOf(odooOptions(s), "--data-dir", "-D"), true
	confs := []string{o.ConfPath}
	if !officialOdoo(s.Image) || o.ConfPath == "" && hidden {
		// What a person says there because odpm has asked.
		confs = append(confs, filepath.Join(f.Dir, "odoo.conf"))
	}
	read := ""
	if conf, err := odooconf.Parse([]byte(o.ConfText)); o.DataTarget == "" && o.ConfText != "" && err == nil {
		read = o.ConfTarget
		o.DataTarget, _ = conf.Value("data_dir", 0)
	}
	for _, path := range confs {
		if o.DataTarget != "" || path == "" {
			continue
		}
		if conf, err := odooconf.Load(path); err == nil {
			read = path
			o.DataTarget, _ = conf.Value("data_dir", 0)
		}
	}
	official := officialOdoo(s.Image) || s.Image == "" && officialOdoo(readBuild(s.Build).Base)
	switch {
	case o.DataTarget != "":
	case official && hidden && (read != "" || o.ConfPath == ""):
		// The image's own odoo.conf, which has data_dir, is hidden.
		if o.DataTarget, o.ownDataDir = ownDataDir(s), true; f.usesTop(s) {
			o.DataTarget, o.ownDataDir = compose.OdooDataTarget, false
		}
	case strings.Contains(s.Image, "bitnami"):
		// It persists data below its volume: ODOO_DATA_TO_PERSIST.
		o.DataTarget = "/bitnami/odoo/data"
	case !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return below(compose.OdooDataTarget, path.Clean(v.Target)) }):
		o.DataTarget = underHome(s)
	}
	if o.DataTarget == "" || !path.IsAbs(o.DataTarget) {
		o.DataTarget, o.DataKnown = compose.OdooDataTarget, officialOdoo(s.Image)
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
	if f.elsewhere(s, *best) {
		return
	}
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

// elsewhere: a directory with data has a path of Windows. Docker Desktop finds it,
// and a directory of that name would be a new and empty one here.
func (f *File) elsewhere(s types.ServiceConfig, v types.ServiceVolumeConfig) bool {
	if v.Type != types.VolumeTypeBind || filepath.IsAbs(v.Source) {
		return false
	}
	here := v.Source
	if drive, rest, ok := strings.Cut(v.Source, ":"); ok && len(drive) == 1 {
		here = "/mnt/" + strings.ToLower(drive) + strings.ReplaceAll(rest, `\`, "/")
	}
	f.problem(Problem{Code: "windows_path", Blocking: true,
		Message: fmt.Sprintf("service %s mounts %s at %s, a path of Windows", s.Name, v.Source, v.Target),
		Way:     fmt.Sprintf("change it in %s to the path on this machine; in WSL: %s", filepath.Base(f.Files[0]), here)})
	return true
}

// belowHome is where Odoo's data_dir is in a home that nobody has told it.
const belowHome = "/.local/share/Odoo"

// ownDataDir is Odoo's own data_dir in the official image, for the user that runs
// it: without data_dir in odoo.conf Odoo takes $XDG_DATA_HOME/Odoo, else
// ~/.local/share/Odoo, and the user odoo is at home in /var/lib/odoo.
func ownDataDir(s types.ServiceConfig) string {
	if at := env(s, "XDG_DATA_HOME"); path.IsAbs(at) {
		return path.Join(at, "Odoo")
	}
	home := compose.OdooDataTarget
	if user, _, _ := strings.Cut(s.User, ":"); user == "root" || user == "0" {
		home = "/root"
	}
	if at := env(s, "HOME"); path.IsAbs(at) {
		home = at
	}
	return path.Join(home, belowHome)
}

// usesTop: the directory that is mounted shows that Odoo has its data at the top
// of it, whatever its configuration says.
func (f *File) usesTop(s types.ServiceConfig) bool {
	for _, v := range s.Volumes {
		if dir := f.device(v); dir != "" && path.Clean(v.Target) == compose.OdooDataTarget {
			_, err := os.Stat(filepath.Join(dir, ".local"))
			info, top := os.Stat(filepath.Join(dir, "filestore"))
			return errors.Is(err, fs.ErrNotExist) && top == nil && info.IsDir()
		}
	}
	return false
}

// underHome is Odoo's own data_dir, ~/.local/share/Odoo, where a mount covers one;
// "" without it.
func underHome(s types.ServiceConfig) string {
	for _, v := range s.Volumes {
		target := path.Clean(v.Target)
		for at := belowHome; at != "/"; at = path.Dir(at) {
			if home, ok := strings.CutSuffix(target, at); ok && home != "" {
				return home + belowHome
			}
		}
	}
	return ""
}

// device is the directory of this machine behind a mount, "" for none.
func (f *File) device(v types.ServiceVolumeConfig) string {
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
func (f *File) volumeName(v types.ServiceVolumeConfig) string {
	return firstOf(f.Doc.Volumes[v.Source].Name, v.Source)
}
