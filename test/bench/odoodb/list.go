package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
)

// listed is how many databases there are for the figures about lists.
const listed = 300

// lists measures the built program, as a person and a script run it: what it reads
// before it asks the server counts as well.
func (p *place) lists(ctx context.Context, rep *report, j *project) error {
	p.step("make %d databases", listed)
	if err := manyDatabases(ctx, j.pg); err != nil {
		return err
	}
	for range max(p.o.Repeat, 2) + 1 {
		for _, f := range []struct {
			args []string
			into *float64
		}{{[]string{"database", "list"}, &rep.List}, {[]string{"--get-dbs-list"}, &rep.Names}} {
			var out string
			seconds, err := timed(func() (err error) { out, err = j.odpm(ctx, f.args...); return err })
			if err != nil {
				return err
			}
			if n := strings.Count(out, "customer_"); n != listed {
				return fmt.Errorf("odpm %s names %d databases instead of %d", strings.Join(f.args, " "), n, listed)
			}
			if f.into == &rep.List && rep.FirstList == 0 {
				rep.FirstList = seconds
				continue
			}
			best(f.into, seconds)
		}
	}
	p.step("list %.2f s, the first %.2f s, names %.3f s", rep.List, rep.FirstList, rep.Names)
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
