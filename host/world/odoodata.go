package world

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/odpm/odpm/shared/homedir"
)

// odooData finds the data directory that Odoo's command or odoo.conf names, where
// that is not the project's. An option is Odoo's last word; data_dir is overridden
// by the option that odpm adds, so it counts where file stores are in it and
// ODOO_DATA_DIR does not say which directory is meant. first: no login was ever
// proven; then Odoo's own default counts too, for a project that has no file stores
// yet and names none.
func (r *Reader) odooData(first bool) *OdooData {
	p := r.in.Project
	if v := dataDirOption(p.OdooCommand[1:]); v != "" {
		dir := filepath.Join(p.Dir, v)
		if filepath.IsAbs(v) {
			dir = filepath.Clean(v)
		}
		if SameFile(dir, p.OdooDataDir) {
			return nil
		}
		return &OdooData{Dir: dir, Where: "ODOO_COMMAND", Decides: true}
	}
	if p.Setting("ODOO_DATA_DIR") != "" {
		return nil
	}
	v := ""
	if p.OdooConf != nil {
		v, _ = p.OdooConf.Value("data_dir", p.OdooMajor)
	}
	if v == "" {
		dir := defaultDataDir()
		if !first || p.FilestoreDir != "" || hasFilestores(p.OdooDataDir) || !hasFilestores(dir) || SameFile(dir, p.OdooDataDir) {
			return nil
		}
		return &OdooData{Dir: dir, Where: "Odoo's default data_dir", Default: true}
	}
	// As Odoo reads a path: variables, the home directory, then from where it runs.
	dir := os.ExpandEnv(v)
	if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || rest[0] == '/') {
		dir = filepath.Join(home(), rest)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Dir, dir)
	}
	if !hasFilestores(dir) || SameFile(dir, p.OdooDataDir) {
		return nil
	}
	return &OdooData{Dir: filepath.Clean(dir), Where: fmt.Sprintf("%s:%d: data_dir", r.in.Rel(p.OdooConfPath), p.OdooConf.Line("data_dir"))}
}

// hasFilestores: what this user may not read, an Odoo that this user starts has never
// used.
func hasFilestores(dataDir string) bool {
	entries, err := os.ReadDir(filepath.Join(dataDir, "filestore"))
	return err == nil && len(entries) > 0
}

// defaultDataDir is where Odoo has its data without data_dir: odoo/tools/config.py,
// _get_default_datadir, which is appdirs' user_data_dir.
func defaultDataDir() string {
	if runtime.GOOS == "darwin" {
		return filepath.Join(home(), "Library", "Application Support", "Odoo")
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home(), ".local", "share")), "Odoo")
}

func home() string { return cmp.Or(os.Getenv("HOME"), homedir.OfUser()) }

// dataDirOption is the value of --data-dir or -D, "" without one; the last one
// counts, as in Odoo. "-DDIR" is optparse's short form.
func dataDirOption(args []string) (dir string) {
	for i, a := range args {
		name, value, joined := strings.Cut(a, "=")
		switch {
		case a == "--":
			return dir
		case name == "--data-dir" && joined:
			dir = value
		case (a == "--data-dir" || a == "-D") && i+1 < len(args):
			dir = args[i+1]
		case strings.HasPrefix(a, "-D") && len(a) > 2:
			dir = a[2:]
		}
	}
	return dir
}
