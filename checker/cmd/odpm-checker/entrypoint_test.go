package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/test/programs"
)

// forms are the scripts that the official image has had since 2019, and the
// versions of Odoo behind each.
var forms = map[string][]int{
	"until-2026": {16, 18, 19},
	"17-18":      {17, 18},
	"19":         {19},
}

// entrypoints is a directory with FORM.sh. The image's own scripts can be put
// in the place of the retold ones: ODPM_TEST_ENTRYPOINTS=DIR.
func entrypoints() string {
	if dir := os.Getenv("ODPM_TEST_ENTRYPOINTS"); dir != "" {
		return dir
	}
	return "../../../test/images/odoo/entrypoint"
}

// installed copies a form to where a container has it, beside a wait-for-psql.py
// that must not be reached: the checker does the waiting.
func installed(t *testing.T, form string) (entry, path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(entrypoints(), form+".sh"))
	if err != nil {
		t.Fatal(err)
	}
	return script(t, "entrypoint.sh", string(text))
}

// script writes one into a directory of its own, and gives a PATH with Odoo and
// the program that waits.
func script(t *testing.T, name, text string) (file, path string) {
	t.Helper()
	dir := t.TempDir()
	for n, s := range map[string]string{
		name:               text,
		"wait-for-psql.py": "#!/bin/sh\necho waited with \"$@\"\n",
		"odoo":             "#!/bin/sh\nprintf 'arg=%s\\n' \"$@\"\nfor v in PGHOST PGPORT PGUSER PGPASSWORD; do eval \"[ -z \\\"\\${$v+set}\\\" ] || echo \\\"env=$v=\\$$v\\\"\"; done\n[ -z \"$ODPM_BEHIND\" ] || echo ODPM_BEHIND is set\necho \"path=$PATH\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(s), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name), dir + ":" + binDir + ":/usr/bin:/bin"
}

// TestEntrypoint: one case for each rule that the scripts have, with the codes
// of the form up to spring 2026, of 17's and 18's, and of 19's.
func TestEntrypoint(t *testing.T) {
	c := server(t)
	sql(t, c, "CREATE ROLE plain LOGIN PASSWORD 'plain'", "CREATE ROLE spaced LOGIN PASSWORD 'a b  *'")
	ok := source{"127.0.0.1", strconv.Itoa(c.Port), "plain", "plain"}
	spaced := ok
	spaced.user, spaced.password = "spaced", "a b  *"
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "plain\n\n")
	for _, tc := range []struct {
		name  string
		conf  string
		env   []string
		args  []string
		codes [3]int
	}{
		{"variables alone", "[options]\n", ok.image(), nil, [3]int{}},
		{"file beats variables", ok.conf(), bad.image(), nil, [3]int{}},
		{"file in part", "[options]\ndb_user = plain\ndb_password = plain\n", with(bad.image(), "HOST=127.0.0.1", "PORT="+ok.port), nil, [3]int{}},
		{"variables beat arguments", "[options]\n", ok.image(), bad.arguments(), [3]int{}},
		{"arguments beat the file only where nothing is appended", bad.conf(), nil, ok.arguments(), [3]int{69, 0, 0}},
		{"a password file beats PASSWORD", "[options]\n", with(ok.image(), "PASSWORD=nothing", "PASSWORD_FILE="+secret), nil, [3]int{}},
		{"links of old compose files", "[options]\n", []string{"DB_PORT_5432_TCP_ADDR=127.0.0.1", "DB_PORT_5432_TCP_PORT=" + ok.port, "DB_ENV_POSTGRES_USER=plain", "POSTGRES_PASSWORD=plain"}, nil, [3]int{}},
		{"HOST wrong, PGHOST right", "[options]\n", with(ok.pg(), bad.image()...), nil, [3]int{69, 69, 0}},
		{"HOST right, PGHOST wrong", "[options]\n", with(bad.pg(), ok.image()...), nil, [3]int{0, 0, 69}},
		{"PG* alone", "[options]\n", ok.pg(), nil, [3]int{69, 0, 0}},
		{"PG* and the file", bad.conf(), ok.pg(), nil, [3]int{69, 69, 0}},
		{"an empty variable is the default", "[options]\n", with(ok.image(), "USER=", "DB_ENV_POSTGRES_USER=plain"), nil, [3]int{}},
		{"a commented key does not stand", "[options]\n# db_user = x\n;db_port = 1\n", ok.image(), nil, [3]int{}},
		{"a key in another section stands", "[options]\n[other]\ndb_user = plain\n", with(ok.image(), "USER=nobody"), nil, [3]int{0, 77, 77}},
		{"tight spelling", strings.ReplaceAll(ok.conf(), " = ", "="), nil, nil, [3]int{78, 0, 0}},
		{"two spaces before the port", "[options]\ndb_port =  " + ok.port + "\n", ok.image(), nil, [3]int{78, 0, 0}},
		{"a password with spaces and a star", "[options]\n", spaced.image(), nil, [3]int{}},
		{"such a password in the file", spaced.conf(), nil, nil, [3]int{77, 0, 0}},
	} {
		for i, form := range []string{"until-2026", "17-18", "19"} {
			version := []string{"18.0", "18.0", "19.0"}[i]
			t.Run(form+"/"+tc.name, func(t *testing.T) {
				entry, path := installed(t, form)
				rc := write(t, filepath.Join(filepath.Dir(entry), "odoo.conf"), tc.conf)
				r := invocation{env: with(tc.env, "PATH="+path, "ODOO_RC="+rc, "ODOO_VERSION="+version, "TMPDIR="+t.TempDir()),
					args: append([]string{"--timeout", patience(tc.codes[i]), "--", entry, "odoo"}, tc.args...)}.run(t)
				r.want(t, tc.codes[i])
				if r.code == 0 && strings.Contains(r.stdout, "waited with") {
					t.Error("the script has waited itself")
				}
				if strings.Contains(r.stderr, "does not know") {
					t.Errorf("said to be unknown:\n%s", r.stderr)
				}
			})
		}
	}
}

// listener plays a server that asks for the password in clear, notes what it
// was given, and refuses: what the checker tried to prove, to the letter.
type listener struct {
	net.Listener
	mu       sync.Mutex
	addr     string
	password string
}

func listen(t *testing.T) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &listener{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *listener) port() string { return strconv.Itoa(s.Addr().(*net.TCPAddr).Port) }

func (s *listener) serve(conn net.Conn) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	for {
		msg, err := b.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, ok := msg.(*pgproto3.StartupMessage); !ok {
			io.WriteString(conn, "N")
			continue
		}
		b.Send(&pgproto3.AuthenticationCleartextPassword{})
		if b.Flush() != nil || b.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
			return
		}
		if answer, err := b.Receive(); err == nil {
			if p, ok := answer.(*pgproto3.PasswordMessage); ok {
				s.mu.Lock()
				s.addr, s.password = conn.LocalAddr().String(), p.Password
				s.mu.Unlock()
			}
		}
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28P01", Message: "no", File: "auth.c", Routine: "auth_failed"})
		b.Flush()
		return
	}
}

// TestEntrypointCombinations gives each form the four settings in every place
// that it or Odoo looks at, in several hundred combinations, and compares what
// the script finally gives to Odoo when it is started without the checker with
// what the checker proves in front of it.
func TestEntrypointCombinations(t *testing.T) {
	programs.Tested(t)
	each := 85
	if n, err := strconv.Atoi(os.Getenv("ODPM_TEST_COMBINATIONS")); err == nil {
		each = n
	}
	for form, versions := range forms {
		for _, version := range versions {
			// Written before anything runs beside it: a file that is open for writing
			// in a fork of another test cannot be executed.
			entry, path := installed(t, form)
			t.Run(fmt.Sprintf("%s.sh before Odoo %d", form, version), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(uint64(version), uint64(len(form))))
				for i := range each {
					combination{t, entry, path, version, i, rnd}.run()
				}
			})
		}
	}
}

type combination struct {
	t           *testing.T
	entry, path string
	version     int
	number      int
	rnd         *rand.Rand
}

// setting is one of the four with a value for each place.
type setting struct{ option, image, pg, old string }

func (c combination) run() {
	s := listen(c.t)
	defer s.Close()
	dir := c.t.TempDir()
	user := func(place string) string { return "user-" + place }
	pick := func(words ...string) string { return words[c.rnd.IntN(len(words))] }
	var env, args, lines []string
	for n, of := range []setting{
		{"db_host", "HOST", "PGHOST", "DB_PORT_5432_TCP_ADDR"}, {"db_port", "PORT", "PGPORT", "DB_PORT_5432_TCP_PORT"},
		{"db_user", "USER", "PGUSER", "DB_ENV_POSTGRES_USER"}, {"db_password", "PASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD"},
	} {
		value := func(place string) string {
			switch n {
			case 0:
				return map[string]string{"image": "127.0.0.2", "pg": "127.0.0.3", "file": "127.0.0.4", "args": "127.0.0.5", "old": "127.0.0.6"}[place]
			case 1:
				return s.port()
			case 2:
				return user(place)
			}
			return pick("secret", "two words", "-w", "--db_host", "*", `q"uote`, "a=b", "x;y#z", "$HOME") + place
		}
		for place, name := range map[string]string{"image": of.image, "pg": of.pg, "old": of.old} {
			switch pick("unset", "unset", "set", "set", "empty") {
			case "set":
				env = append(env, name+"="+value(place))
			case "empty":
				env = append(env, name+"=")
			}
		}
		if n == 3 && pick("file", "", "", "") != "" {
			env = append(env, "PASSWORD_FILE="+write(c.t, filepath.Join(dir, "secret"), value("secretfile")+"\n\n"))
		}
		v := value("file")
		lines = append(lines, pick("", "", "", of.option+" = "+v, of.option+" = "+v, of.option+"="+v, "  "+of.option+" =  "+v+" ", of.option+" = False",
			of.option+" =", "# "+of.option+" = "+v, "x"+of.option+" = "+v, of.option+"_x = "+v, strings.ToUpper(of.option)+" = "+v))
		v = value("args")
		args = append(args, [][]string{nil, nil, nil, {"--" + of.option, v}, {"--" + of.option + "=" + v}, {("--" + of.option)[:6] + of.option[4:], v}}[c.rnd.IntN(6)]...)
	}
	head := pick("", "; comment", "[other]\ndb_name = x")
	rc := write(c.t, filepath.Join(dir, "odoo.conf"), "[options]\n"+head+"\n"+strings.Join(lines, "\n")+"\n")
	if pick("", "", "", "", "own") != "" {
		args = append(args, "-c", write(c.t, filepath.Join(dir, "own.conf"), "[options]\ndb_user = "+user("own")+"\n"))
	}
	args = append([]string{c.entry}, append([][]string{{"odoo"}, {"--"}, {"odoo", "shell"}, {"-d", "x"}}[c.rnd.IntN(4)], args...)...)
	env = append(env, "ODOO_RC="+rc, "PATH="+c.path, "HOME="+dir, "ODOO_VERSION="+strconv.Itoa(c.version)+".0")
	// What Odoo gets without the checker.
	plain := exec.Command(args[0], args[1:]...)
	plain.Env = env
	out, err := plain.Output()
	if err != nil {
		c.t.Fatalf("%v %s", err, out)
	}
	want := expected(c.t, string(out), rc, c.version)
	// What the checker proves. A name is not waited for.
	timeout := "1ms"
	if strings.HasPrefix(want.host, "127.") && want.port == s.port() {
		timeout = "20s"
	}
	r := invocation{env: append(env, "TMPDIR="+dir), args: append([]string{"--timeout", timeout, "--log-format", "json", "--"}, args...)}.run(c.t)
	if got := proven(s, r, want); got != want.String() {
		c.t.Errorf("combination %d: the script gives Odoo %s, proven is %s\n%s\n%s\n%s\n%s", c.number, want, got, strings.Join(env, "\n"), strings.Join(args, " "), lines, r.stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "odpm-checker-*")); len(left) > 0 {
		c.t.Errorf("left behind: %v", left)
	}
}

// login is where Odoo connects to; "-" is left to libpq.
type login struct{ host, port, user, password string }

func (l login) String() string {
	if l.host == "does not start" {
		return l.host
	}
	return fmt.Sprintf("%s:%s as %s with %q", l.host, l.port, l.user, l.password)
}

// expected reads what Odoo was given by Odoo's rules, written down once more.
func expected(t *testing.T, out, rc string, version int) login {
	t.Helper()
	given, env, config := map[string]string{}, map[string]string{}, rc
	var args []string
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if a, ok := strings.CutPrefix(line, "arg="); ok {
			args = append(args, a)
		}
		if e, ok := strings.CutPrefix(line, "env="); ok {
			k, v, _ := strings.Cut(e, "=")
			env[k] = v
		}
	}
	for i := 0; i < len(args); i++ {
		name, value, equals := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		if args[i] == "-c" {
			i++
			config = args[i]
		}
		if !strings.HasPrefix(args[i], "--db_") {
			continue
		}
		if !equals && i+1 < len(args) {
			i++
			value = args[i]
		}
		given[name] = value
	}
	if v, ok := given["db_port"]; ok && v == "" {
		return login{host: "does not start"}
	}
	file, err := odooconf.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	value := func(option, pg string) string {
		cli, onLine := given[option]
		e, inEnv := env[pg]
		f, inFile := file.Value(option, version)
		switch {
		case onLine && cli != "":
			return cli
		case onLine && version >= 19, version >= 19 && inEnv:
			// Odoo leaves what is empty to libpq.
			return e
		case inFile:
			return f
		}
		return e
	}
	l := login{value("db_host", "PGHOST"), value("db_port", "PGPORT"), value("db_user", "PGUSER"), value("db_password", "PGPASSWORD")}
	return l
}

// proven is what the checker tried, as far as it has said it and the server
// has seen it.
func proven(s *listener, r result, want login) string {
	if want.host == "does not start" {
		if r.code == 78 && strings.Contains(r.stderr, "would not start") {
			return want.host
		}
		return "starts: " + r.stderr
	}
	var said struct {
		Msg, Host, Port, User string
	}
	for line := range strings.Lines(r.stderr) {
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "checking PostgreSQL" {
			break
		}
	}
	if said.Msg != "checking PostgreSQL" {
		if r.code == 78 && (strings.ContainsAny(want.host, " =\n") || strings.Trim(want.port, "0123456789") != "") {
			// Cut wrongly out of the file: Odoo does not get far with it either.
			return want.String()
		}
		return "nothing: " + r.stderr
	}
	left := func(said, want string) string {
		if said == "default" || strings.HasPrefix(said, "$PG") {
			// libpq's own business, as it is behind Odoo.
			return want
		}
		return said
	}
	got := login{left(said.Host, want.host), left(said.Port, want.port), said.User, want.password}
	if want.user == "" || said.User == "…" {
		// Not shown, since it looks like more than a name.
		got.user = want.user
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.addr != "":
		got.password = s.password
		if s.addr != want.host+":"+want.port {
			got.host = s.addr
		}
	case strings.HasPrefix(want.host, "127.") && want.port == s.port() && want.password != "":
		return "not seen by the server: " + r.stderr
	}
	return got.String()
}
