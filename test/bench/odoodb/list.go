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
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

// listed is how many databases there are for the figures about lists.
const listed = 300

// lists measures the built program, as a person and a script run it, in a
// project of its own: what it reads before it asks the server counts as well.
func (p *place) lists(ctx context.Context, rep *report) (err error) {
	bin, dir := filepath.Join(p.Dir, "bin"), filepath.Join(p.Dir, "many")
	if err := errors.Join(os.MkdirAll(bin, 0o755), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	if err := programs.Build(bin, nil, programs.ODPM, programs.Checker); err != nil {
		return err
	}
	port, err := localpg.FreePort()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "odoo"}`,
		".env":      fmt.Sprintf("ODPM_RUNTIME=native\nPOSTGRES_PORT=%d\nPOSTGRES_DATA_DIR=%s\nODPM_PG_BINDIR=%s\n", port, p.data()+"-many", p.bin),
		"odoo.conf": "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\ndb_password = bench\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	odpm := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "odpm"), append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+p.Dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("odpm %s: %w: %s", strings.Join(args, " "), err, stderr.String())
		}
		return string(out), err
	}
	p.step("make %d databases", listed)
	if _, err := odpm("database", "ensure-role"); err != nil {
		return err
	}
	pg := native.New(native.Options{DataDir: p.data() + "-many", Major: p.Major, Port: port, BinDir: p.bin, StateDir: filepath.Join(dir, ".odpm", "state"), AppRole: appRole})
	defer func() { err = errors.Join(err, pg.Stop(context.WithoutCancel(ctx))) }()
	if err := manyDatabases(ctx, pg); err != nil {
		return err
	}
	for range max(p.o.Repeat, 2) {
		for _, f := range []struct {
			args []string
			into *float64
		}{{[]string{"database", "list"}, &rep.List}, {[]string{"--get-dbs-list"}, &rep.Names}} {
			var out string
			seconds, err := timed(func() (err error) { out, err = odpm(f.args...); return err })
			if err != nil {
				return err
			}
			if n := strings.Count(out, "customer_"); n != listed {
				return fmt.Errorf("odpm %s names %d databases instead of %d", strings.Join(f.args, " "), n, listed)
			}
			best(f.into, seconds)
		}
	}
	p.step("list %.2f s, names %.3f s", rep.List, rep.Names)
	return nil
}

// manyDatabases makes copies of one with as many modules as Odoo's list has.
func manyDatabases(ctx context.Context, pg engine.Server) error {
	sql := func(database string, statements ...string) error {
		c, err := cluster.Admin(ctx, pg, cluster.Hints{}, database)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		for _, q := range statements {
			if _, err := c.Exec(ctx, q); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		return nil
	}
	const first = "customer_0"
	err := sql("postgres", `CREATE DATABASE `+first+` OWNER `+appRole)
	if err == nil {
		err = sql(first, `CREATE TABLE public.ir_module_module (name varchar, state varchar, latest_version varchar)`, `ALTER TABLE public.ir_module_module OWNER TO `+appRole,
			`INSERT INTO public.ir_module_module VALUES ('base', 'installed', '18.0.1.3')`,
			`INSERT INTO public.ir_module_module SELECT 'module_' || n, 'uninstalled', '18.0.1.0' FROM generate_series(1, 700) n`)
	}
	for i := 1; i < listed && err == nil; i++ {
		err = sql("postgres", fmt.Sprintf(`CREATE DATABASE customer_%d TEMPLATE %s OWNER %s`, i, first, appRole))
	}
	return err
}
