package legacy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/programs"
)

var odpm struct {
	sync.Once
	dir, path string
	err       error
}

// binary builds odpm once for a test binary.
func binary() (string, error) {
	odpm.Do(func() {
		if odpm.dir, odpm.err = os.MkdirTemp("", "odpm-inherited-bin-"); odpm.err != nil {
			return
		}
		odpm.path = filepath.Join(odpm.dir, "odpm")
		// The checker is looked for beside odpm.
		odpm.err = programs.Build(odpm.dir, nil, programs.ODPM, programs.Checker)
	})
	return odpm.path, odpm.err
}

// WriteProject puts the files of an Odoo project beside the cluster.
func (c *Cluster) WriteProject(role, password string) error {
	for name, text := range map[string]string{
		"odpm.json": fmt.Sprintf(`{"postgres_version": "%d", "odoo_version": "17.0", "platform_name": "odoo"}`, c.Major),
		".env":      fmt.Sprintf("ODPM_RUNTIME=native\nODPM_PG_BINDIR=%s\nPOSTGRES_PORT=%d\nPOSTGRES_DATA_DIR=%s\n", c.bin, c.Port, c.DataDir),
		"odoo.conf": fmt.Sprintf("[options]\ndb_host = db\ndb_user = %s\ndb_password = %s\n", role, password),
	} {
		if err := os.WriteFile(filepath.Join(c.Project, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Remember puts the bootstrap superuser's password where odpm keeps one that
// it generated.
func (c *Cluster) Remember(password string) error {
	return os.WriteFile(filepath.Join(c.Project, ".odpm", "state", "postgres_password"), []byte(password+"\n"), 0o600)
}

// Files lists what is in the project, but for the cluster, with sizes and times.
func (c *Cluster) Files() (string, error) {
	var b bytes.Buffer
	err := filepath.WalkDir(c.Project, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == c.DataDir || d.Name() == native.LogName {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime())
		} else if err == nil {
			fmt.Fprintln(&b, path, info.Mode())
		}
		return err
	})
	return b.String(), err
}

// Run is odpm in the project, as a person without a terminal types it.
type Run struct {
	Stdout, Stderr string
	Code           int
}

// ODPM runs the built program.
func (c *Cluster) ODPM(args ...string) (Run, error) {
	path, err := binary()
	if err != nil {
		return Run{}, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.Project
	// A machine without Docker, which is what the native engine is for.
	cmd.Env = []string{"PATH=/nonexistent", "HOME=" + filepath.Join(c.Project, "home"), "NO_COLOR=1", "TMPDIR=" + os.TempDir()}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return Run{out.String(), errs.String(), exit.ExitCode()}, nil
	}
	return Run{out.String(), errs.String(), 0}, err
}
