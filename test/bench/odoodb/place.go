package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/test/localpg"
)

// place is a cluster and an Odoo data directory to work in.
type place struct {
	o   options
	bin string

	Dir   string
	Port  int
	Major int
}

const (
	appRole = "odoo"
	source  = "source"
)

func newPlace(o options) (*place, error) {
	bin, err := localpg.Bin("15")
	if err != nil {
		return nil, err
	}
	port, err := localpg.FreePort()
	if err != nil {
		return nil, err
	}
	p := &place{o: o, bin: bin, Dir: o.Dir, Port: port, Major: 15}
	for _, d := range []string{p.odoo(), p.backups(), p.state(), p.tmp()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *place) odoo() string    { return filepath.Join(p.Dir, "odoo") }
func (p *place) backups() string { return filepath.Join(p.Dir, "backups") }
func (p *place) state() string   { return filepath.Join(p.Dir, "state") }
func (p *place) tmp() string     { return filepath.Join(p.Dir, "tmp") }
func (p *place) data() string    { return filepath.Join(p.Dir, "postgres") }

func (p *place) filestore(db string) string { return filepath.Join(p.odoo(), "filestore", db) }

// engine is odpm's own, so that pg_dump runs as it does in a project.
func (p *place) engine() engine.Writer {
	return native.New(native.Options{
		DataDir: p.data(), Major: p.Major, Port: p.Port, StateDir: p.state(), AppRole: appRole,
		Password: func() (string, error) { return "bench", nil },
	})
}

func (p *place) server() *server.Server {
	pg := p.engine()
	return &server.Server{
		PG: pg, Programs: pg, AppRole: appRole, AppPassword: "bench", Files: filestore.Layout{DataDir: p.odoo()}, StateDir: p.state(),
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(ctx, pg, cluster.Hints{Password: "bench"}, database)
		},
	}
}

func (p *place) start(ctx context.Context) error {
	if err := p.engine().Start(ctx); err != nil {
		return err
	}
	c, err := p.server().Admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, `CREATE ROLE `+appRole+` LOGIN CREATEDB PASSWORD 'bench'`)
	return err
}

func (p *place) close(keep bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.engine().Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
	}
	if !keep {
		_ = os.RemoveAll(p.Dir)
	}
}

// sh runs a standard tool as a person at this machine would, over TCP.
func (p *place) sh(ctx context.Context, name string, args ...string) error {
	return p.shAt(ctx, p.Port, name, args...)
}

// shAt is sh with the server of that port.
func (p *place) shAt(ctx context.Context, port int, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.tmp()
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(port), "PGUSER="+appRole, "PGPASSWORD=bench",
		"PATH="+p.bin+":"+os.Getenv("PATH"), "TMPDIR="+p.tmp())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w: %.2000s", name, err, out.String()), ctx.Err())
	}
	return nil
}
