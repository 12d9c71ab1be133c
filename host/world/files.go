package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/regular"
)

// SameFile compares files or directories through symbolic links and by inode.
func SameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// maxFile is more than any file has that odpm reads whole.
const maxFile = 16 << 20

// files reads what a run may write.
func (r *Reader) files(w *World) error {
	d, p := r.in.Dirs, r.in.Project
	read := func(path string) ([]byte, error) {
		b, err := regular.Read(path, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case errors.Is(err, regular.ErrNotRegular):
			return nil, fmt.Errorf("%s: %w; %s", r.in.Rel(path), err, state.MoveAside(path))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", r.in.Rel(path), err)
		case b == nil:
			b = []byte{}
		}
		return b, nil
	}
	var err error
	if r.in.KeptConf == nil {
		if w.Files.Conf, err = read(p.OdooConfPath); err != nil {
			return err
		}
	}
	if w.Files.Handoff, err = read(HandoffPath(d)); err != nil {
		return err
	}
	if w.Files.PasswordEnv, err = read(d.SecretPath(state.OdooEnvFile)); err != nil {
		return err
	}
	w.Files.Compose = compose.Look(r.in.ComposePath())
	dirs := []string{d.Runtime(), d.Database(), d.State(), p.OdooDataDir, d.SecretPath(state.BootstrapSecret)}
	for _, dir := range append(dirs, r.in.Filestores(w.OdooHere).Named()...) {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			w.Files.Missing = append(w.Files.Missing, dir)
		}
	}
	if info, err := os.Stat(d.SecretPath(state.BootstrapSecret)); err == nil {
		w.Files.SecretClosed = info.Mode().Perm()&0o004 == 0
	}
	w.Files.OdooDirs = OdooDirs(p.OdooDataDir)
	if w.OdooHere && len(p.OdooCommand) > 0 {
		w.Files.OdooData = r.odooData(w.Snapshot == nil)
	}
	w.Files.DatabaseOfRoot = ofRoot(d.Database())
	w.Up = RememberedUp(d)
	on := InContainers("")
	if w.OdooHere {
		on = Here
	}
	w.Checker = FindChecker(p.Env, on, d)
	if w.OdooHere {
		w.Checker.startable("this machine", onThisMachine)
	}
	if r.in.Kept != nil && w.Checker.Err == nil {
		r.mounted(w)
	}
	return nil
}

// OdooDirs are those below Odoo's data directory that Odoo writes to and that are there.
func OdooDirs(dataDir string) []string {
	var out []string
	for _, name := range []string{"filestore", "sessions", "addons"} {
		dir := filepath.Join(dataDir, name)
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			out = append(out, dir)
		}
	}
	return out
}

// mounted looks for the checker in the runtime directory. Its name says which
// one it is, and it is put there whole.
func (r *Reader) mounted(w *World) {
	w.Files.CheckerMounted = filepath.Join(r.in.Dirs.Runtime(), compose.CheckerFile(w.Checker.Digest))
	info, err := os.Lstat(w.Files.CheckerMounted)
	w.Files.CheckerThere = err == nil && info.Mode().IsRegular()
}
