package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/peer"
)

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"inherit": inherit,
		"psql":    psql,

		"inherit-docker": inheritDocker,
		"checksum":       checksum,
		"same":           same,
		"person":         person,
		"waitfor":        waitFor,
		"subst":          subst,
		"serve":          serve,
		"schema":         schema,
		"lines":          lines,
		"peer":           withoutTLS,
		"received":       received,

		"eventually": eventually,
		"ordinary":   ordinary,
		"admin":      admin,
		"stop":       stop,
		"byhand":     byHand,
		"killed":     killed,
		"typed":      typed,
		"unwritable": unwritable,
		"peak":       peak,
		"huge":       huge,
		"contents":   contents,
		"watched":    watched,
		"job":        job,
		"registry":   registry,
		"unit":       unit,
	}
}

// inherit MAJOR DIR [SQL…] makes a cluster at DIR that somebody else created:
// superuser postgres, no application role. SQL runs in single-user mode.
func inherit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: inherit MAJOR DIR [SQL…]")
	}
	pgbin, err := localpg.Bin(args[0])
	ts.Check(err)
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(dir), 0o755))
	ts.Check(os.Mkdir(dir, 0o700))
	cred := postgresCred(ts)
	if cred != nil {
		ts.Check(os.Chown(dir, int(cred.Uid), int(cred.Gid)))
	}
	as := func(stdin string, argv ...string) {
		cmd := exec.Command(filepath.Join(pgbin, argv[0]), argv[1:]...)
		cmd.Dir = "/"
		cmd.Stdin = strings.NewReader(stdin)
		if cred != nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("%s: %v\n%s", argv[0], err, out)
		}
	}
	as("", "initdb", "-D", dir, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	if len(args) > 2 {
		as(strings.Join(args[2:], "\n")+"\n", "postgres", "--single", "-D", dir, "-c", "exit_on_error=on", "postgres")
	}
}

func postgresCred(ts *testscript.TestScript) *syscall.Credential {
	cred, err := localpg.ServerCredential()
	ts.Check(err)
	return cred
}

// psql PORT USER PASSWORD DATABASE SQL logs in over TCP with a password, never
// over the trusted socket, and prints the result.
func psql(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 5 {
		ts.Fatalf("usage: psql PORT USER PASSWORD DATABASE SQL")
	}
	program, err := localpg.Client("psql", 18)
	ts.Check(err)
	cmd := exec.Command(program, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", args[0], "-U", args[1], "-d", args[3], "-c", args[4])
	cmd.Env = []string{"PGPASSWORD=" + args[2], "PATH=" + os.Getenv("PATH"), "PGCONNECT_TIMEOUT=10"}
	out, err := cmd.CombinedOutput()
	fmt.Fprint(ts.Stdout(), string(out))
	if (err != nil) != neg {
		ts.Fatalf("psql: %v\n%s", err, out)
	}
}

// checksum NAME PATH… remembers every file below the paths: mode, size,
// modification time and content.
func checksum(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: checksum NAME PATH…")
	}
	ts.Check(os.WriteFile(ts.MkAbs("../."+filepath.Base(ts.Getenv("WORK"))+"-"+args[0]+".sum"), []byte(sums(ts, args[1:])), 0o600))
}

// same NAME PATH… fails if anything below the paths is not as remembered.
func same(ts *testscript.TestScript, neg bool, args []string) {
	was := ts.ReadFile(ts.MkAbs("../." + filepath.Base(ts.Getenv("WORK")) + "-" + args[0] + ".sum"))
	is := sums(ts, args[1:])
	if (was == is) == neg {
		ts.Fatalf("what changed:\n%s", changed(was, is))
	}
}

// changed lists the lines that stand on one side only.
func changed(was, is string) string {
	var b strings.Builder
	for _, side := range []struct{ mark, text, other string }{{"- ", was, is}, {"+ ", is, was}} {
		for l := range strings.Lines(side.text) {
			if !strings.Contains(side.other, l) {
				b.WriteString(side.mark + l)
			}
		}
	}
	return b.String()
}

func sums(ts *testscript.TestScript, paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		root := ts.MkAbs(p)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s %d", path, info.Mode(), info.ModTime().UnixNano())
			if info.Mode().IsRegular() {
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				h := sha256.New()
				io.Copy(h, f)
				f.Close()
				fmt.Fprintf(&b, " %x", h.Sum(nil))
			}
			b.WriteByte('\n')
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			ts.Check(err)
		}
	}
	return b.String()
}

// waitfor SECONDS FILE TEXT waits until a file holds a text.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Duration(n) * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if data, err := os.ReadFile(ts.MkAbs(args[1])); err == nil && strings.Contains(string(data), args[2]) {
			return
		}
	}
	ts.Fatalf("%s has no %q after %d s", args[1], args[2], n)
}

// subst FILE… replaces $NAME and ${NAME} by the script's variables: files of
// the archive do not see them.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	for _, a := range args {
		path := ts.MkAbs(a)
		ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(path), ts.Getenv)), 0o644))
	}
}

// serve PORT listens on a port of this machine until the script ends.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	l, err := listen(args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// peer PORT stands in PostgreSQL's place until the script ends, without TLS, and
// asks for passwords in clear.
func withoutTLS(ts *testscript.TestScript, neg bool, args []string) {
	p, err := peer.Listen("127.0.0.1:" + args[0])
	ts.Check(err)
	ts.Defer(func() { p.Close() })
	peers.Store(p.Addr(), p)
}

// received PORT TEXT wants a text among what the peer was sent.
func received(ts *testscript.TestScript, neg bool, args []string) {
	p, ok := peers.Load("127.0.0.1:" + args[0])
	if !ok {
		ts.Fatalf("no peer on port %s", args[0])
	}
	if all := p.(*peer.WithoutTLS).Received(); strings.Contains(all, args[1]) == neg {
		ts.Fatalf("the peer was sent %q", all)
	}
}

var peers sync.Map

// admin DIR SQL runs a statement as the superuser of the native server on
// DIR, through its own socket.
func admin(ts *testscript.TestScript, neg bool, args []string) {
	program, err := localpg.Client("psql", 18)
	ts.Check(err)
	lines := strings.Split(ts.ReadFile(ts.MkAbs(args[0]+"/postmaster.pid")), "\n")
	cmd := exec.Command(program, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", lines[4], "-p", lines[3], "-U", "postgres", "-d", "postgres", "-c", args[1])
	cmd.Dir = "/"
	if cred := postgresCred(ts); cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	out, err := cmd.CombinedOutput()
	fmt.Fprint(ts.Stdout(), string(out))
	if (err != nil) != neg {
		ts.Fatalf("psql: %v\n%s", err, out)
	}
}

// byhand MAJOR DIR OPTIONS starts a server as somebody does without odpm.
func byHand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: byhand MAJOR DIR OPTIONS")
	}
	bin, err := localpg.Bin(args[0])
	ts.Check(err)
	cmd := exec.Command(filepath.Join(bin, "pg_ctl"), "-D", ts.MkAbs(args[1]), "-w", "-s", "-l", "/dev/null", "-o", args[2], "start")
	cmd.Dir = "/"
	if cred := postgresCred(ts); cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("pg_ctl: %v\n%s", err, out)
	}
}

// stop DIR stops the native server on DIR.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0] + "/postmaster.pid")
	pid, err := strconv.Atoi(strings.SplitN(ts.ReadFile(path), "\n", 2)[0])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGINT))
	for range 500 {
		if _, err := os.Stat(path); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("the server on %s did not stop", args[0])
}

// typed N types the N commands that the last stderr tells a person to.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: typed N")
	}
	var lines []string
	for l := range strings.Lines(ts.ReadFile("stderr")) {
		l, indented := strings.CutPrefix(strings.TrimSuffix(l, "\n"), "  ")
		if word, _, _ := strings.Cut(l, " "); indented && slices.Contains([]string{"docker", "odpm", "runuser", "sed"}, word) {
			lines = append(lines, l)
		}
	}
	if strconv.Itoa(len(lines)) != args[0] {
		ts.Fatalf("%d commands are printed: %q", len(lines), lines)
	}
	for _, l := range lines {
		// A person has a terminal, which compose wants unless it is asked not to.
		ts.Logf("$ %s", l)
		ts.Check(ts.Exec("sh", "-c", strings.Replace(l, " exec ", " exec -T ", 1)))
	}
}

// schema NAME [FILE] validates the last stdout, or a file, against a schema of
// docs/schemas.
func schema(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: schema NAME [FILE]")
	}
	if err := schemas.Written(args[0], []byte(ts.ReadFile(append(args, "stdout")[1]))); (err != nil) != neg {
		ts.Fatalf("%v", err)
	}
}

// lines NAME FILE validates each line of a file that is a JSON object.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines NAME FILE")
	}
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if err := schemas.Written(args[0], []byte(line)); err != nil {
			ts.Fatalf("%s%v", line, err)
		}
		n++
	}
	if n == 0 {
		ts.Fatalf("%s has no line of JSON", args[1])
	}
}

// eventually SECONDS TEXT PROGRAM ARGS… runs a program again and again until
// what it writes holds a text.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var out []byte
	for end := time.Now().Add(time.Duration(n) * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, _ = exec.Command(args[2], args[3:]...).CombinedOutput()
		if strings.Contains(string(out), args[1]) {
			return
		}
	}
	ts.Fatalf("no %q after %d s:\n%s", args[1], n, out)
}

// ordinary PROGRAM ARGS… runs a program as an ordinary user who may use
// Docker, uid 1000 where the tests run as root, in the current directory.
func ordinary(ts *testscript.TestScript, neg bool, args []string) {
	argv := args
	if os.Getuid() == 0 {
		gid := "1000"
		if info, err := os.Stat("/var/run/docker.sock"); err == nil {
			gid = strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid))
		}
		argv = append([]string{"setpriv", "--reuid=1000", "--regid=" + gid, "--clear-groups"}, args...)
	}
	err := ts.Exec(argv[0], argv[1:]...)
	if (err != nil) != neg {
		ts.Fatalf("%v: %v", args, err)
	}
}
