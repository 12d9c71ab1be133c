package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/odpm/odpm/test/localpg"
)

// killed TIMES DATABASE ARCHIVE PORT PASSWORD restores an archive over a
// database again and again, and each time odpm is killed with kill -9 at a
// random moment; four times are one of each kind of moment. What it leaves must always be a whole database of that name,
// the old or the new one, as `odpm database list` shows it and as psql reads
// it; and nothing of the killed runs may be there when a last run has cleaned
// up.
func killed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: killed TIMES DATABASE ARCHIVE PORT PASSWORD")
	}
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	k := &killing{ts: ts, db: args[1], archive: args[2], port: args[3], password: args[4]}
	seed := uint64(time.Now().UnixNano())
	ts.Logf("moments from seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 4))

	k.mark()
	k.restore(-1, "")
	if k.query(isOld) != "f" {
		ts.Fatalf("an undisturbed restore did not replace the database")
	}
	looking, loading, swapping := k.started, k.swapped-k.started, k.whole-k.swapped
	old, fresh := 0, 0
	for n := range times {
		if k.halfSwapped() {
			// Nobody may log in, to mark it, until a run has gone on from there; that
			// one may be killed too.
			k.run(upTo(rng, looking), "", "--set-admin-pass", "--no-input")
			k.exec("odpm", "-d", k.db, "--set-admin-pass", "--no-input")
		}
		k.mark()
		// The swap is short, and where a kill could hurt most.
		switch n % 4 {
		case 0:
			k.restore(upTo(rng, looking), "")
		case 1, 2:
			k.restore(upTo(rng, loading), working)
		case 3:
			k.restore(upTo(rng, swapping), swap)
		}
		if k.look() {
			old++
		} else {
			fresh++
		}
	}
	ts.Logf("%d kills left the old database, %d the new one", old, fresh)
	if old == 0 {
		ts.Fatalf("no kill came before the swap")
	}
	k.exec("odpm", "-d", k.db, "--set-admin-pass", "--no-input")
	k.clean()
}

// What odpm says on its way, with --progress json.
const (
	working = `{"progress"`
	swap    = `"phase":"swap"`
)

func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(max(d, time.Millisecond))))
}

// isOld finds out which database it is: the mark stands for what a person has
// in it that no archive has.
const isOld = `SELECT to_regclass('public.only_in_the_old_one') IS NOT NULL`

type killing struct {
	ts                          *testscript.TestScript
	db, archive, port, password string
	// whole is how long an undisturbed restore takes; started and swapped are
	// when its first progress and its swap are seen.
	whole, started, swapped time.Duration
}

// mark makes the present database one that the archive is not.
func (k *killing) mark() {
	k.query(`CREATE TABLE IF NOT EXISTS only_in_the_old_one AS SELECT generate_series(1, 1000) AS x`)
	dir := k.ts.MkAbs("data/odoo/filestore/" + k.db)
	k.ts.Check(os.WriteFile(filepath.Join(dir, "precious"), []byte("of the old one"), 0o644))
}

// halfSwapped tells whether a killed run had begun with the swap.
func (k *killing) halfSwapped() bool {
	journals, err := filepath.Glob(k.ts.MkAbs(".odpm/state/restore-*.json"))
	k.ts.Check(err)
	for _, path := range journals {
		var j struct{ Step string }
		data, err := os.ReadFile(path)
		k.ts.Check(err)
		k.ts.Check(json.Unmarshal(data, &j))
		if j.Step != "loading" {
			return true
		}
	}
	return false
}

func (k *killing) restore(moment time.Duration, after string) {
	k.run(moment, after, "--db-drop", "--db-restore", k.archive, "--progress", "json")
}

// run runs odpm and kills it: a time after it has said something, or after its
// start; never if the time is negative.
func (k *killing) run(moment time.Duration, after string, args ...string) {
	cmd := k.command(append([]string{"odpm", "-d", k.db}, args...)...)
	stderr, err := cmd.StderrPipe()
	k.ts.Check(err)
	begin := time.Now()
	k.ts.Check(cmd.Start())
	killLater := func() *time.Timer {
		return time.AfterFunc(moment, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	}
	if moment >= 0 && after == "" {
		defer killLater().Stop()
	}
	var said strings.Builder
	seen := map[string]bool{}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := lines.Text()
		said.WriteString(line + "\n")
		for _, word := range []string{working, swap} {
			if seen[word] || !strings.Contains(line, word) {
				continue
			}
			seen[word] = true
			switch {
			case moment < 0 && word == working:
				k.started = time.Since(begin)
			case moment < 0:
				k.swapped = time.Since(begin)
			case word == after:
				defer killLater().Stop()
			}
		}
	}
	err = cmd.Wait()
	if moment < 0 {
		k.whole = time.Since(begin)
	}
	// It may end before it is killed; what it must not do is to fail.
	if err != nil && (moment < 0 || cmd.ProcessState.ExitCode() >= 0) {
		k.ts.Fatalf("odpm %q: %v\n%s", args, err, said.String())
	}
}

// look is what a person does after a crash. It tells whether the old database
// is still in its place.
func (k *killing) look() (old bool) {
	var list struct {
		Databases []struct {
			Name, State, Reason string
			Files               int `json:"filestore_files"`
		}
	}
	k.ts.Check(json.Unmarshal(k.exec("odpm", "database", "list", "--format", "json"), &list))
	found := false
	for _, d := range list.Databases {
		if d.Name != k.db {
			continue
		}
		found = true
		if d.State == "closed" && strings.Contains(d.Reason, "next run") {
			// In the middle of the swap nobody may log in, and which one it will be
			// is the next run's to say; it counts as the old one.
			return true
		}
		if d.State != "initialised" {
			k.ts.Fatalf("after a kill the database is shown as %+v", d)
		}
	}
	if !found {
		k.ts.Fatalf("after a kill there is no database %s", k.db)
	}
	if k.query(isOld) == "f" {
		if n := k.query(`SELECT count(*) FROM ir_module_module WHERE state = 'installed'`); n != "12" {
			k.ts.Fatalf("the new database has %s modules", n)
		}
		return false
	}
	if n := k.query(`SELECT count(*) FROM only_in_the_old_one`); n != "1000" {
		k.ts.Fatalf("the old database has %s rows of 1000", n)
	}
	if b, err := os.ReadFile(k.ts.MkAbs("data/odoo/filestore/" + k.db + "/precious")); err != nil || string(b) != "of the old one" {
		k.ts.Fatalf("the old filestore: %v %q", err, b)
	}
	return true
}

// clean finds what killed runs left: there must be nothing.
func (k *killing) clean() {
	if n := k.query(`SELECT count(*) FROM pg_database WHERE datname LIKE 'odpm\_%'`); n != "0" {
		k.ts.Fatalf("%s hidden databases are left", n)
	}
	for _, pattern := range []string{"data/odoo/filestore/odpm_*", "data/odoo/filestore/*_old*", ".odpm/state/restore-*", ".odpm/state/.journal-*"} {
		if left, _ := filepath.Glob(k.ts.MkAbs(pattern)); len(left) > 0 {
			k.ts.Fatalf("left over: %q", left)
		}
	}
	if s := k.query(`SELECT datallowconn AND NOT datistemplate FROM pg_database WHERE datname = current_database()`); s != "t" {
		k.ts.Fatalf("the database is not open")
	}
}

func (k *killing) query(sql string) string {
	program, err := localpg.Client("psql", 18)
	k.ts.Check(err)
	cmd := exec.Command(program, "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", k.port, "-U", "odoo", "-d", k.db, "-c", sql)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+k.password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		k.ts.Fatalf("%s: %v\n%s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (k *killing) exec(argv ...string) []byte {
	cmd := k.command(argv...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		k.ts.Fatalf("%v: %v\n%s", argv, err, said.String())
	}
	io.WriteString(k.ts.Stderr(), said.String())
	return out
}

func (k *killing) command(argv ...string) *exec.Cmd {
	path, err := lookPath(k.ts, argv[0])
	k.ts.Check(err)
	cmd := exec.Command(path, argv[1:]...)
	cmd.Dir = k.ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "HOME="+k.ts.Getenv("HOME"), "PATH="+k.ts.Getenv("PATH"), "DOCKER_CONFIG="+k.ts.Getenv("DOCKER_CONFIG"))
	return cmd
}
