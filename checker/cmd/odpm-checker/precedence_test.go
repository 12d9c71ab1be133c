package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// source is one place that settings can come from. The place that should win
// gets what works, the others what fails: a closed port, a role that does not
// exist, another password.
type source struct{ host, port, user, password string }

func good(port int) source {
	return source{"127.0.0.1", strconv.Itoa(port), appRole, appPassword}
}

var bad = source{"127.0.0.1", "1", "nobody", "nothing"}

func (s source) arguments() []string {
	return []string{"--db_host", s.host, "--db_port=" + s.port, "-r", s.user, "-w", s.password}
}

func (s source) conf() string {
	return fmt.Sprintf("[options]\ndb_host = %s\ndb_port = %s\ndb_user = %s\ndb_password = %s\n", s.host, s.port, s.user, s.password)
}

func (s source) pg() []string {
	return []string{"PGHOST=" + s.host, "PGPORT=" + s.port, "PGUSER=" + s.user, "PGPASSWORD=" + s.password}
}

func (s source) image() []string {
	return []string{"HOST=" + s.host, "PORT=" + s.port, "USER=" + s.user, "PASSWORD=" + s.password}
}

// TestPrecedenceOfOdoo: command line > odoo.conf > PG* up to 18, command line >
// PG* > odoo.conf from 19; HOST and USER mean nothing to Odoo itself.
func TestPrecedenceOfOdoo(t *testing.T) {
	ok := good(server(t).Port)
	for _, version := range []string{"16.0", "18.0", "19.0", ""} {
		modern := version == "19.0"
		for _, tc := range []struct {
			name          string
			cli, conf, pg *source
			want          string
		}{
			{"all three", &ok, &bad, &bad, "command line"},
			{"file and environment, the file right", nil, &ok, &bad, map[bool]string{false: "odoo.conf"}[modern]},
			{"file and environment, the environment right", nil, &bad, &ok, map[bool]string{true: "PGHOST"}[modern]},
			{"file alone", nil, &ok, nil, "odoo.conf"},
			{"environment alone", nil, nil, &ok, "PGHOST"},
			{"command line alone", &ok, nil, nil, "command line"},
		} {
			t.Run("odoo "+version+"/"+tc.name, func(t *testing.T) {
				dir := t.TempDir()
				code := 0
				if tc.want == "" {
					// Here the place that fails has precedence.
					code = 69
				}
				inv := invocation{args: []string{"--timeout", patience(code)}, env: bad.image()}
				if version != "" {
					inv.args = append(inv.args, "--odoo-version", version)
				}
				inv.args = append(inv.args, "--", "odoo")
				if tc.cli != nil {
					inv.args = append(inv.args, tc.cli.arguments()...)
				}
				if tc.conf != nil {
					inv.args = append(inv.args, "-c", write(t, filepath.Join(dir, "odoo.conf"), tc.conf.conf()))
				}
				if tc.pg != nil {
					inv.env = append(inv.env, tc.pg.pg()...)
				}
				r := inv.run(t)
				if r.want(t, code); code == 0 {
					r.want(t, 0, "login proven", tc.want)
				}
			})
		}
	}
}

// TestWhereTheVersionComesFrom: the hand-off, else the flag, else the official
// image's own variable.
func TestWhereTheVersionComesFrom(t *testing.T) {
	c := server(t)
	conf := write(t, filepath.Join(t.TempDir(), "odoo.conf"), bad.conf())
	run := func(t *testing.T, code int, env, flags []string, says ...string) {
		t.Helper()
		args := append(append([]string{"--timeout", patience(code)}, flags...), "--", "odoo", "-c", conf)
		invocation{env: append(good(c.Port).pg(), env...), args: args}.run(t).want(t, code, says...)
	}
	t.Run("image", func(t *testing.T) {
		run(t, 0, []string{"ODOO_VERSION=19.0"}, nil)
		run(t, 0, []string{"ODOO_VERSION=saas-19.2"}, nil)
		run(t, 69, []string{"ODOO_VERSION=18.0"}, nil)
		// Not ours to complain about.
		run(t, 69, []string{"ODOO_VERSION=master"}, nil)
	})
	t.Run("variable over image", func(t *testing.T) {
		run(t, 0, []string{"ODOO_VERSION=18.0", "ODPM_ODOO_VERSION=19.0"}, nil)
	})
	t.Run("flag over variable", func(t *testing.T) {
		run(t, 0, []string{"ODPM_ODOO_VERSION=18.0"}, []string{"--odoo-version=19"})
	})
	t.Run("hand-off over all", func(t *testing.T) {
		p := newProject(t, c, 19)
		run(t, 0, append(p.env(), "ODPM_ODOO_VERSION=17.0"), nil, "baseline=recorded")
	})
}

// TestUnsetInOdooConf: False, false and empty mean unset; None only from 19.
func TestUnsetInOdooConf(t *testing.T) {
	ok := good(server(t).Port)
	dir := t.TempDir()
	for _, tc := range []struct {
		text, version string
		code          int
	}{
		{"False", "16", 0}, {"False", "18", 0}, {"False", "19", 0},
		{"false", "18", 0}, {"", "18", 0}, {"", "19", 0},
		{"None", "19", 0}, {"None", "18", 69},
	} {
		t.Run(tc.text+" in "+tc.version, func(t *testing.T) {
			conf := write(t, filepath.Join(dir, "odoo.conf"), "[options]\ndb_host = "+tc.text+"\n")
			r := invocation{env: ok.pg(), args: []string{"--timeout", patience(tc.code), "--odoo-version", tc.version, "--", "odoo", "-c", conf}}.run(t)
			r.want(t, tc.code)
		})
	}
}

// TestConfigFile: where Odoo looks for its file, and what it makes of one
// value: # and ; belong to it, % is plain text.
func TestConfigFile(t *testing.T) {
	c := server(t)
	sql(t, c, `CREATE ROLE "a#b;c" LOGIN PASSWORD 'x %(y)s # z'`)
	s := source{"127.0.0.1", strconv.Itoa(c.Port), "a#b;c", "x %(y)s # z"}
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "odoo.conf"), s.conf())
	t.Run("-c", func(t *testing.T) {
		invocation{args: []string{"--", "odoo", "-c" + conf}}.run(t).want(t, 0, "user=a#b;c")
	})
	t.Run("--config beats ODOO_RC", func(t *testing.T) {
		other := write(t, filepath.Join(dir, "other.conf"), bad.conf())
		invocation{env: []string{"ODOO_RC=" + other}, args: []string{"--", "odoo", "--config=" + conf}}.run(t).want(t, 0)
	})
	t.Run("ODOO_RC", func(t *testing.T) {
		invocation{env: []string{"ODOO_RC=" + conf}, args: []string{"--", "odoo"}}.run(t).want(t, 0)
	})
	t.Run("home", func(t *testing.T) {
		home := t.TempDir()
		write(t, filepath.Join(home, ".odoorc"), s.conf())
		invocation{env: []string{"HOME=" + home}, args: []string{"--", "odoo"}}.run(t).want(t, 0)
	})
	t.Run("behind wrappers", func(t *testing.T) {
		for _, argv := range [][]string{
			{"env", "odoo"}, {"setsid", "-w", "odoo"}, {"nice", "-n", "1", binDir + "/odoo"}, {"sh", binDir + "/odoo"},
		} {
			r := invocation{args: append(append([]string{"--"}, argv...), "-c", conf)}.run(t)
			r.want(t, 0, "odoo pid=", "user=a#b;c")
		}
	})
}

// TestScriptOfOnesOwn: what it finally gives to Odoo is checked, as Odoo reads
// it.
func TestScriptOfOnesOwn(t *testing.T) {
	ok := good(server(t).Port)
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "start-erp"), "#!/bin/sh\nexec odoo \"$@\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(dir, "odoo.conf"), "[options]\ndb_host = nowhere.invalid\ndb_user = "+appRole+"\ndb_password = "+appPassword+"\n")
	for _, args := range [][]string{
		{script, "-c", conf, "--db_host", ok.host, "--db_port", ok.port},
		{script, "-d", "odoo", "-c", conf, "--db_host", ok.host, "--db_port", ok.port, "--data-dir", "/srv/odoo"},
		{script, "serve", "--config=" + conf, "--db_host=" + ok.host, "--db_port=" + ok.port},
	} {
		r := invocation{env: bad.pg(), args: append([]string{"--timeout", patience(0), "--"}, args...)}.run(t)
		r.want(t, 0, "login proven", "odoo pid=", "odoo.conf")
	}
	invocation{env: bad.pg(), args: []string{"--timeout", patience(69), "--", script, "-c", conf}}.run(t).want(t, 69)
	invocation{env: ok.pg(), args: []string{"--timeout", patience(69), "--", script, "-c", conf}}.run(t).want(t, 69, "nowhere.invalid")
	invocation{env: ok.pg(), args: []string{"--", script}}.run(t).want(t, 0, "PGHOST")
}

// TestHostAddr: libpq connects to PGHOSTADDR whatever Odoo gives as db_host.
func TestHostAddr(t *testing.T) {
	ok := good(server(t).Port)
	wrong := ok
	wrong.host = "nowhere.invalid"
	args := append([]string{"--timeout", patience(0), "--", "odoo"}, wrong.arguments()...)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.1"}}.run(t).want(t, 0, "login proven", "addr=127.0.0.1:"+ok.port, "PGHOSTADDR is set")
	args = append([]string{"--timeout", patience(69), "--", "odoo"}, ok.arguments()...)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.9"}}.run(t).want(t, 69, "nothing listens on 127.0.0.9:"+ok.port)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.1,127.0.0.1"}}.run(t).want(t, 78, "PGHOSTADDR")
}
