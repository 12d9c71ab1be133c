package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
				inv := invocation{args: []string{"--timeout", "300ms"}, env: bad.image()}
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
				if tc.want == "" {
					// Here the place that fails has precedence.
					r.want(t, 69)
					return
				}
				r.want(t, 0, "login proven", tc.want)
			})
		}
	}
}

// TestWhereTheVersionComesFrom: the hand-off, else the flag, else the official
// image's own variable.
func TestWhereTheVersionComesFrom(t *testing.T) {
	c := server(t)
	conf := write(t, filepath.Join(t.TempDir(), "odoo.conf"), bad.conf())
	run := func(t *testing.T, env, flags []string) result {
		return invocation{env: append(good(c.Port).pg(), env...), args: append(append([]string{"--timeout", "300ms"}, flags...), "--", "odoo", "-c", conf)}.run(t)
	}
	t.Run("image", func(t *testing.T) {
		run(t, []string{"ODOO_VERSION=19.0"}, nil).want(t, 0)
		run(t, []string{"ODOO_VERSION=saas-19.2"}, nil).want(t, 0)
		run(t, []string{"ODOO_VERSION=18.0"}, nil).want(t, 69)
		// Not ours to complain about.
		run(t, []string{"ODOO_VERSION=master"}, nil).want(t, 69)
	})
	t.Run("variable over image", func(t *testing.T) {
		run(t, []string{"ODOO_VERSION=18.0", "ODPM_ODOO_VERSION=19.0"}, nil).want(t, 0)
	})
	t.Run("flag over variable", func(t *testing.T) {
		run(t, []string{"ODPM_ODOO_VERSION=18.0"}, []string{"--odoo-version=19"}).want(t, 0)
	})
	t.Run("hand-off over all", func(t *testing.T) {
		p := newProject(t, c, 19)
		r := run(t, append(p.env(), "ODPM_ODOO_VERSION=17.0"), nil)
		r.want(t, 0, "baseline=recorded")
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
			r := invocation{env: ok.pg(), args: []string{"--timeout", "300ms", "--odoo-version", tc.version, "--", "odoo", "-c", conf}}.run(t)
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

// TestScriptOfOnesOwn: what is given Odoo's connection options is checked as
// Odoo is; without one of them nobody can tell, and PG* count.
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
		r := invocation{env: bad.pg(), args: append([]string{"--timeout", "300ms", "--"}, args...)}.run(t)
		r.want(t, 0, "login proven", "odoo pid=", "odoo.conf")
	}
	invocation{env: bad.pg(), args: []string{"--timeout", "300ms", "--", script, "-c", conf}}.run(t).want(t, 69)
	invocation{env: ok.pg(), args: []string{"--timeout", "300ms", "--", script, "-c", conf}}.run(t).want(t, 0, "PGHOST")
}

// TestEntrypoint compares the checker with the script itself: whatever the
// script hands to Odoo is what has to have been proven. Each case names the
// arguments that Odoo is to get, so that the script is checked as well.
func TestEntrypoint(t *testing.T) {
	c := server(t)
	sql(t, c, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
	ok := source{"127.0.0.1", strconv.Itoa(c.Port), "plain", "plain"}
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "plain\n\n")
	for _, tc := range []struct {
		name string
		conf string
		env  []string
		args []string
		// code of 18's script and of 19's.
		code18, code19 int
	}{
		{"variables alone", "[options]\n", ok.image(), nil, 0, 0},
		{"file beats variables", ok.conf(), bad.image(), nil, 0, 0},
		{"file in part", "[options]\ndb_user = plain\ndb_password = plain\n", with(bad.image(), "HOST=127.0.0.1", "PORT="+ok.port), nil, 0, 0},
		{"variables beat arguments", "[options]\n", ok.image(), bad.arguments(), 0, 0},
		{"arguments beat the file only where nothing is appended", bad.conf(), nil, ok.arguments(), 69, 0},
		{"a password file beats PASSWORD", "[options]\n", with(ok.image(), "PASSWORD=nothing", "PASSWORD_FILE="+secret), nil, 0, 0},
		{"links of old compose files", "[options]\n", []string{"DB_PORT_5432_TCP_ADDR=127.0.0.1", "DB_PORT_5432_TCP_PORT=" + ok.port, "DB_ENV_POSTGRES_USER=plain", "POSTGRES_PASSWORD=plain"}, nil, 0, 0},
		{"PG* keep 19's arguments away", "[options]\n", with(ok.pg(), bad.image()...), nil, 69, 0},
		{"PG* beat the file in 19", bad.conf(), ok.pg(), nil, 69, 0},
		{"an empty variable is the default", "[options]\n", with(ok.image(), "USER=", "DB_ENV_POSTGRES_USER=plain"), nil, 0, 0},
		{"a commented key does not stand", "[options]\n# db_user = x\n;db_port = 1\n", ok.image(), nil, 0, 0},
		{"a key in another section stands", "[options]\n[other]\ndb_user = plain\n", with(ok.image(), "USER=nobody"), nil, 0, 77},
		{"tight spelling is cut wrongly by 18", strings.ReplaceAll(ok.conf(), " = ", "="), nil, nil, 78, 0},
	} {
		for version, code := range map[string]int{"18": tc.code18, "19": tc.code19} {
			t.Run(version+"/"+tc.name, func(t *testing.T) {
				script, err := os.ReadFile("testdata/entrypoint-" + version + ".sh")
				if err != nil {
					t.Fatal(err)
				}
				d := t.TempDir()
				entry := filepath.Join(d, "entrypoint.sh")
				if err := os.WriteFile(entry, script, 0o755); err != nil {
					t.Fatal(err)
				}
				rc := write(t, filepath.Join(d, "odoo.conf"), tc.conf)
				inv := invocation{env: with(tc.env, "ODOO_RC="+rc, "ODOO_VERSION="+version+".0"),
					args: append([]string{"--timeout", "300ms", "--", entry, "odoo"}, tc.args...)}
				r := inv.run(t)
				r.want(t, code)
				if r.code != 0 {
					return
				}
				compareArguments(t, r)
			})
		}
	}
}

// compareArguments reads what Odoo was given as Odoo does, the last one of
// each counting, and compares it with the line that says what was checked.
func compareArguments(t *testing.T, r result) {
	t.Helper()
	var args []string
	for _, line := range strings.Split(r.stdout, "\n") {
		if a, ok := strings.CutPrefix(line, "arg="); ok {
			args = append(args, a)
		}
	}
	for i, a := range args {
		field, ok := map[string]string{"--db_host": "host", "--db_port": "port", "--db_user": "user"}[a]
		if !ok || strings.Contains(strings.Join(args[i+1:], " "), a) {
			continue
		}
		if !strings.Contains(r.stderr, " "+field+"="+args[i+1]+" ") {
			t.Errorf("Odoo was given %s %s; checked was\n%s", a, args[i+1], r.stderr)
		}
	}
}

// TestEntrypointOtherCommands: the script's other branches.
func TestEntrypointOtherCommands(t *testing.T) {
	c := server(t)
	d := t.TempDir()
	entry := filepath.Join(d, "entrypoint.sh")
	script, _ := os.ReadFile("testdata/entrypoint-18.sh")
	if err := os.WriteFile(entry, script, 0o755); err != nil {
		t.Fatal(err)
	}
	rc := write(t, filepath.Join(d, "odoo.conf"), "[options]\n")
	env := with(good(c.Port).image(), "ODOO_RC="+rc)
	t.Run("options without odoo", func(t *testing.T) {
		r := invocation{env: env, args: []string{"--", entry, "-d", "shop"}}.run(t)
		r.want(t, 0, "databases=postgres,shop")
	})
	t.Run("another command", func(t *testing.T) {
		// The script executes it as it stands: no HOST, no USER.
		r := invocation{env: with(connection(c), "HOST=nowhere.invalid", "USER=nobody", "ODOO_RC="+rc), args: []string{"--timeout", "1s", "--", entry, "env"}}.run(t)
		r.want(t, 0, "HOST=nowhere.invalid")
	})
	t.Run("scaffold", func(t *testing.T) {
		invocation{env: []string{"HOST=nowhere.invalid", "ODOO_RC=" + rc}, args: []string{"--", entry, "odoo", "scaffold", "x"}}.run(t).want(t, 0, "arg=scaffold")
	})
	t.Run("password file that cannot be read", func(t *testing.T) {
		r := invocation{env: with(env, "PASSWORD_FILE="+d+"/absent"), args: []string{"--", entry, "odoo"}}.run(t)
		r.want(t, 78, "PASSWORD_FILE")
	})
}

// TestHostAddr: libpq connects to PGHOSTADDR whatever Odoo gives as db_host.
func TestHostAddr(t *testing.T) {
	ok := good(server(t).Port)
	wrong := ok
	wrong.host = "nowhere.invalid"
	args := append([]string{"--timeout", "300ms", "--", "odoo"}, wrong.arguments()...)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.1"}}.run(t).want(t, 0, "login proven", "addr=127.0.0.1:"+ok.port, "PGHOSTADDR is set")
	args = append([]string{"--timeout", "300ms", "--", "odoo"}, ok.arguments()...)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.9"}}.run(t).want(t, 69, "nothing listens on 127.0.0.9:"+ok.port)
	invocation{args: args, env: []string{"PGHOSTADDR=127.0.0.1,127.0.0.1"}}.run(t).want(t, 78, "PGHOSTADDR")
}
