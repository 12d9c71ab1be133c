package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

// project is one with a server of its own, for the programs as they are built and run:
// what a command does around its work counts where the work is small.
type project struct {
	dir, bin string
	port     int
	pg       *native.Engine
	home     string
}

// project makes one; its server runs until stop.
func (p *place) project(ctx context.Context) (*project, error) {
	j := &project{dir: filepath.Join(p.Dir, "project"), bin: filepath.Join(p.Dir, "bin"), home: p.Dir}
	if err := errors.Join(os.MkdirAll(j.bin, 0o755), os.MkdirAll(j.dir, 0o755)); err != nil {
		return nil, err
	}
	if err := programs.Build(j.bin, nil, programs.ODPM, programs.Checker); err != nil {
		return nil, err
	}
	var err error
	if j.port, err = localpg.FreePort(); err != nil {
		return nil, err
	}
	data := p.data() + "-project"
	for name, text := range map[string]string{
		"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "odoo"}`,
		".env":      fmt.Sprintf("ODPM_RUNTIME=native\nPOSTGRES_PORT=%d\nPOSTGRES_DATA_DIR=%s\nODPM_PG_BINDIR=%s\nBACKUP_DIR=%s\n", j.port, data, p.bin, p.backups()),
		"odoo.conf": "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\ndb_password = bench\n",
	} {
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	j.pg = native.New(native.Options{DataDir: data, Major: p.Major, Port: j.port, BinDir: p.bin, StateDir: filepath.Join(j.dir, ".odpm", "state"), AppRole: appRole})
	_, err = j.odpm(ctx, "database", "ensure-role")
	return j, err
}

func (j *project) stop(ctx context.Context) error { return j.pg.Stop(context.WithoutCancel(ctx)) }

func (j *project) filestore(db string) string {
	return filepath.Join(j.dir, "data", "odoo", "filestore", db)
}

// odpm runs the built program, and gives what it printed.
func (j *project) odpm(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(j.bin, "odpm"), append([]string{"-C", j.dir}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+j.home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("odpm %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), err
}

func (j *project) admin(ctx context.Context, database string) (*cluster.Session, error) {
	return cluster.Admin(ctx, j.pg, cluster.Hints{}, database)
}
