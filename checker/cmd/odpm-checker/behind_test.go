package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/shared/handoff"
)

const shebang = "#!/bin/sh\n"

// TestUnknownScripts: whatever a script makes of its variables, what it finally
// gives to Odoo is proven, and PG*, which are wrong here, are not.
func TestUnknownScripts(t *testing.T) {
	ok := good(server(t).Port)
	options := `--db_host "$MY_HOST" --db_port "$MY_PORT" -r "$MY_USER" -w "$MY_PASSWORD"`
	env := with(bad.pg(), "HOST=nowhere.invalid", "MY_HOST="+ok.host, "MY_PORT="+ok.port, "MY_USER="+ok.user, "MY_PASSWORD="+ok.password)
	export := `export PGHOST="$MY_HOST" PGPORT="$MY_PORT" PGUSER="$MY_USER" PGPASSWORD="$MY_PASSWORD"` + "\n"
	unknown := "does not know"
	wait := "while [ \"$1\" != -- ]; do shift; done; shift\nexec \"$@\""
	for _, tc := range []struct {
		name, text string
		args       []string
		code       int
		says       []string
	}{
		{"variables of its own", `exec odoo "$@" ` + options, nil, 0, nil},
		{"words of the official one mean nothing", "# check_config cut -d PGHOST\nexec odoo \"$@\" " + options, []string{"odoo"}, 0, nil},
		{"it does more", "mkdir -p \"$HOME/x\"\nexec odoo " + options, nil, 0, []string{unknown, "because_of=mkdir"}},
		{"it changes libpq's variables", export + `exec odoo "$@"`, []string{"-d", "shop"}, 0, []string{"databases=postgres,shop"}},
		{"it writes a file", `printf "[options]\ndb_host = %s\ndb_port = %s\ndb_user = %s\ndb_password = %s\n" "$MY_HOST" "$MY_PORT" "$MY_USER" "$MY_PASSWORD" >"$HOME/own.conf"` + "\n" + `exec odoo -c "$HOME/own.conf"`, nil, 0, []string{unknown, "own.conf"}},
		{"a command", export + `exec "$@"`, []string{"odoo"}, 0, nil},
		{"a command by its path", export + `exec "$@"`, []string{"BIN/odoo", "-d", "shop"}, 0, []string{"databases=postgres,shop", "arg=shop"}},
		{"a command through Python", export + `exec "$@"`, []string{"python3", "BIN/py/odoo-bin", "-d", "shop"}, 0, []string{"databases=postgres,shop", "python shop"}},
		{"a command through another name", export + `exec "$@"`, []string{"env", "A=b", "odoo"}, 0, nil},
		{"a command that it looks at", export + `[ "$(basename "$1")" = odoo ] || exit 5; exec "$@"`, []string{"BIN/odoo"}, 0, nil},
		{"a wait before a command by its path", export + wait, []string{"db:5432", "-t", "5", "--", "BIN/odoo", "-d", "shop"}, 0, []string{"databases=postgres,shop", "arg=shop"}},
		{"a wait before a command through Python", export + wait, []string{"db:5432", "--", "python3", "BIN/py/odoo-bin", "-d", "shop"}, 0, []string{"databases=postgres,shop", "python shop"}},
		{"a wait before a script that is given a path", export + wait, []string{"db:5432", "--", "BIN/third", "BIN/odoo", "-d", "shop"}, 0, []string{"databases=postgres,shop", "arg=shop"}},
		{"a script before another", export + "exec BIN/second \"$@\"", []string{"odoo"}, 0, []string{unknown, "BIN/second"}},
		{"a function", "start() { exec odoo " + options + "; }\nstart", nil, 0, nil},
		{"two Odoos", "odoo -u all " + options + " || exit\nexec odoo " + options, nil, 0, []string{"arg=all"}},
		{"it calls the checker", export + `exec CHECKER --timeout 1s -- BIN/second "$@"`, []string{"odoo"}, 0, []string{unknown}},
		{"it asks for the version", "odoo --version || exit\nexec odoo " + options, nil, 0, []string{"arg=--version"}},
		{"another command", `exec "$@"; exec odoo`, []string{"echo", "done"}, 0, []string{"done"}},
		{"a wrong login", `exec odoo "$@" ` + options + " -w wrong", nil, 77, []string{"command line by BIN/start"}},
		{"an unreachable server", `exec odoo "$@" ` + options + " --db_port 1", nil, 69, nil},
		{"it ends", "exit 5; exec odoo", nil, 5, nil},
		{"by its path, with what its text says", `exec BIN/odoo "$@" ` + options, []string{"-d", "shop"}, 0, []string{"databases=postgres,shop", "arg=shop"}},
		{"by its path, and more, with the whole login", "mkdir -p \"$HOME/x\"\n" + `exec BIN/odoo "$@" ` + options, []string{"-d", "shop"}, 0, []string{"databases=postgres,shop"}},
		{"by its path, and more, which may write odoo.conf", "mkdir -p \"$HOME/x\"\n" + `exec BIN/odoo -c /etc/odoo.conf "$@"`, nil, 78, []string{"it starts Odoo by its path (BIN/odoo)", "exec odpm-checker -- BIN/odoo"}},
		{"through Python by its path", `MY_HOST=$(cat /nowhere); exec python3 BIN/py/odoo-bin "$@" ` + options, []string{"odoo"}, 78, []string{"by its path"}},
		{"by its path, given the options", `exec BIN/odoo "$@"`, []string{"odoo", "--db_host", ok.host, "--db_port", ok.port, "-r", ok.user, "-w", ok.password}, 0, []string{"login proven"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file, path := script(t, "start", "")
			dir := filepath.Dir(file)
			in := func(s string) string { return strings.NewReplacer("BIN", dir, "CHECKER", binary).Replace(s) }
			write(t, file, in(shebang+tc.text+"\n"))
			os.Chmod(file, 0o755)
			write(t, filepath.Join(dir, "second"), shebang+"exec odoo \"$@\"\n")
			os.Chmod(filepath.Join(dir, "second"), 0o755)
			write(t, filepath.Join(dir, "third"), shebang+"exec \"$@\"\n")
			os.Chmod(filepath.Join(dir, "third"), 0o755)
			write(t, filepath.Join(dir, "py/odoo-bin"), "import sys\nprint('python', sys.argv[-1])\n")
			args := []string{"--timeout", patience(tc.code), "--", file}
			for _, a := range tc.args {
				args = append(args, in(a))
			}
			tmp := t.TempDir()
			r := invocation{env: with(env, "PATH="+path, "TMPDIR="+tmp), args: args}.run(t)
			var parts []string
			for _, s := range tc.says {
				parts = append(parts, in(s))
			}
			r.want(t, tc.code, parts...)
			proofs := map[bool]int{true: 1}[tc.code == 0 && tc.name != "another command"]
			if tc.name == "two Odoos" {
				proofs = 2
			}
			if n := strings.Count(r.stderr, "login proven"); n != proofs {
				t.Errorf("%d logins proven\n%s%s", n, r.stdout, r.stderr)
			}
			if tc.code == 0 && proofs > 0 && !strings.HasPrefix(tc.name, "by its path") && !strings.Contains(r.stdout, "python") && !strings.Contains(r.stdout, "path="+path+"\n") {
				t.Errorf("PATH is another behind the checker:\n%s", r.stdout)
			}
			if strings.Contains(r.stdout, "ODPM_BEHIND is set") {
				t.Error("ODPM_BEHIND reaches Odoo")
			}
			if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 && proofs > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestUnseenScript: where a person says what the connection is, a script that
// starts Odoo by its path is no obstacle.
func TestUnseenScript(t *testing.T) {
	ok := good(server(t).Port)
	file, path := script(t, "start", "")
	write(t, file, shebang+"exec "+filepath.Dir(file)+"/odoo\n")
	os.Chmod(file, 0o755)
	env := []string{"PATH=" + path, "ODPM_DB_HOST=" + ok.host, "ODPM_DB_PORT=" + ok.port, "ODPM_DB_USER=" + ok.user, "ODPM_DB_PASSWORD=" + ok.password}
	invocation{env: env, args: []string{"--", file}}.run(t).want(t, 0, "login proven")
	// The same settings beat what a script gives to Odoo.
	write(t, file, shebang+"exec odoo --db_host nowhere.invalid\n")
	invocation{env: env, args: []string{"--", file}}.run(t).want(t, 0, "login proven", "ODPM_DB_HOST", "arg=nowhere.invalid")
}

// TestShellLine: sh -c "…" is a script as well.
func TestShellLine(t *testing.T) {
	ok := good(server(t).Port)
	line := `exec odoo --db_host ` + ok.host + ` --db_port ` + ok.port + ` "$@"`
	r := invocation{env: bad.pg(), args: []string{"--timeout", patience(0), "--", "sh", "-ec", line, "odoo", "-r", ok.user, "-w", ok.password}}.run(t)
	r.want(t, 0, "login proven", "odoo pid=")
	invocation{env: ok.pg(), args: []string{"--", "sh", "-c", "exit 3"}}.run(t).want(t, 3, "login proven")
}

// TestBehindWrappers: the script may be behind a program itself.
func TestBehindWrappers(t *testing.T) {
	c := server(t)
	entry, path := installed(t, "17-18")
	rc := write(t, filepath.Join(t.TempDir(), "odoo.conf"), "[options]\n")
	for _, wrapper := range [][]string{{"setsid", "-w"}, {"env", "A=b"}, {"bash", "-e"}, {"nice", "-n", "1"}} {
		args := append(append([]string{"--"}, wrapper...), entry, "odoo")
		r := invocation{env: with(good(c.Port).image(), "ODOO_RC="+rc, "PATH="+path), args: args}.run(t)
		r.want(t, 0, "login proven", "arg=--db_host")
	}
}

// TestNowhereToWrite: a container's root may be read-only, its /dev/shm is not.
func TestNowhereToWrite(t *testing.T) {
	c := server(t)
	entry, path := installed(t, "19")
	before, _ := filepath.Glob("/dev/shm/odpm-checker-*")
	r := invocation{env: with(good(c.Port).image(), "PATH="+path, "TMPDIR=/nowhere"), args: []string{"--", entry, "odoo"}}.run(t)
	r.want(t, 0, "login proven")
	if after, _ := filepath.Glob("/dev/shm/odpm-checker-*"); len(after) > len(before) {
		t.Errorf("left behind: %v", after)
	}
}

// TestSameProcess: Odoo is the process that the checker was, the script in
// between, and the baseline is written.
func TestSameProcess(t *testing.T) {
	c := server(t)
	entry, path := installed(t, "until-2026")
	odoo := filepath.Join(filepath.Dir(entry), "odoo")
	write(t, odoo, shebang+"echo pid=$$\n")
	p := newProject(t, c, 18)
	cmd, wait := invocation{env: with(good(c.Port).image(), append(p.env(), "PATH="+path)...), args: []string{"--require-baseline", "--", entry, "odoo"}}.background(t)
	pid := cmd.Process.Pid
	wait().want(t, 0, "pid="+strconv.Itoa(pid)+"\n", "baseline=recorded")
}

// TestStartBeforeAScript: what is announced while the script runs is another
// start, which this one does not prove.
func TestStartBeforeAScript(t *testing.T) {
	c := server(t)
	p, later := newProject(t, c, 18), t.TempDir()
	first := handoff.NewStartID()
	if err := errors.Join(handoff.SaveStart(p.runtime, first), handoff.SaveStart(later, handoff.NewStartID())); err != nil {
		t.Fatal(err)
	}
	file, path := script(t, "start", shebang+"cp "+later+"/* "+p.runtime+"/\nexec odoo\n")
	r := invocation{env: with(connection(c), append(p.env(), "PATH="+path)...), args: []string{"--require-baseline", "--", file}}.run(t)
	r.want(t, 0, "baseline=recorded")
	if id := p.load(t).StartID; id != first {
		t.Errorf("recorded for start %s, announced was %s", id, first)
	}
}

// TestSignalBehindAScript: a wait for PostgreSQL ends at once there, too.
func TestSignalBehindAScript(t *testing.T) {
	entry, path := installed(t, "17-18")
	for _, check := range []bool{false, true} {
		args := []string{"--", entry, "odoo"}
		if check {
			args = append([]string{"--check"}, args...)
		}
		cmd, wait := invocation{env: []string{"HOST=127.0.0.1", "PORT=1", "USER=odoo", "PATH=" + path}, args: args}.background(t)
		says(t, cmd, "waiting:")
		start := time.Now()
		cmd.Process.Signal(syscall.SIGTERM)
		wait().want(t, 143)
		if d := time.Since(start); d > soon {
			t.Errorf("took %s to stop", d)
		}
	}
}

// TestCheckOfAScript: --check runs it up to where it starts Odoo.
func TestCheckOfAScript(t *testing.T) {
	c := server(t)
	ok := good(c.Port)
	for _, form := range []string{"until-2026", "17-18", "19"} {
		entry, path := installed(t, form)
		rc := write(t, filepath.Join(t.TempDir(), "odoo.conf"), "[options]\n")
		run := func(code int, says string, env []string, args ...string) {
			t.Helper()
			tmp := t.TempDir()
			r := invocation{env: with(env, "ODOO_RC="+rc, "PATH="+path, "TMPDIR="+tmp), args: append([]string{"--timeout", patience(code), "--check", "--", entry}, args...)}.run(t)
			r.want(t, code, says)
			if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if strings.Contains(r.stdout, "arg=") {
				t.Errorf("Odoo was started:\n%s", r.stdout)
			}
		}
		run(0, "login proven", ok.image(), "odoo")
		run(0, "login proven", ok.pg(), filepath.Join(filepath.Dir(entry), "odoo"))
		run(77, "refused role", with(ok.image(), "PASSWORD=wrong"), "odoo")
		run(69, "", with(ok.image(), "PORT=1"), "odoo")
		run(78, "ended without starting Odoo by its name", ok.image(), "true")
		run(78, "PASSWORD_FILE", with(ok.image(), "PASSWORD_FILE=/nowhere"), "odoo")
	}
	// A script that calls the checker itself does not start Odoo either.
	file, path := script(t, "start", shebang+"exec "+binary+" -- odoo \"$@\"\n")
	r := invocation{env: with(ok.pg(), "PATH="+path), args: []string{"--check", "--", file, "odoo"}}.run(t)
	if r.want(t, 0, "login proven"); strings.Contains(r.stdout, "arg=") {
		t.Errorf("Odoo was started:\n%s", r.stdout)
	}
	file, path = script(t, "start", shebang+"exit 4; exec odoo\n")
	invocation{env: with(ok.pg(), "PATH="+path), args: []string{"--check", "--", file}}.run(t).want(t, 78, "ended with exit code 4 before it started Odoo")
}

// TestEntrypointOtherCommands: the official script's other branches.
func TestEntrypointOtherCommands(t *testing.T) {
	c := server(t)
	for _, form := range []string{"until-2026", "17-18", "19"} {
		entry, path := installed(t, form)
		rc := write(t, filepath.Join(t.TempDir(), "odoo.conf"), "[options]\n")
		env := with(good(c.Port).image(), "ODOO_RC="+rc, "PATH="+path)
		t.Run(form+"/options without odoo", func(t *testing.T) {
			invocation{env: env, args: []string{"--", entry, "-d", "shop"}}.run(t).want(t, 0, "databases=postgres,shop")
		})
		t.Run(form+"/another command", func(t *testing.T) {
			// It opens no connection that anybody knows of.
			invocation{env: with(env, "HOST=nowhere.invalid"), args: []string{"--timeout", "1s", "--", entry, "env"}}.run(t).want(t, 0, "HOST=nowhere.invalid")
		})
		t.Run(form+"/scaffold", func(t *testing.T) {
			invocation{env: with(env, "HOST=nowhere.invalid"), args: []string{"--timeout", "1s", "--", entry, "odoo", "scaffold", "x"}}.run(t).want(t, 0, "arg=scaffold")
		})
		t.Run(form+"/no command", func(t *testing.T) {
			r := invocation{env: env, args: []string{"--", entry}}.run(t)
			if r.code == 0 || !strings.Contains(r.stderr, "is given no command; write: "+entry+" odoo") {
				t.Errorf("%d %s", r.code, r.stderr)
			}
		})
		t.Run(form+"/password file that cannot be read", func(t *testing.T) {
			invocation{env: with(env, "PASSWORD_FILE=/nowhere"), args: []string{"--", entry, "odoo"}}.run(t).want(t, 78, "PASSWORD_FILE")
		})
	}
}
