package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

const database = "o18"

// build makes the programs as they are released.
func build() (string, error) {
	dir, err := os.MkdirTemp("", "odpm-torture-bin-")
	if err != nil {
		return "", err
	}
	return dir, programs.Build(dir, nil, programs.ODPM, programs.Checker)
}

// place is a project on PostgreSQL's own programs.
type place struct {
	t         *tries
	dir       string
	port      int
	bin, psql string
	// env is over the environment.
	env []string
	// through is what a command that something happens to is run by, note what
	// that is.
	through func(*exec.Cmd) *exec.Cmd
	note    string
	// missed: the command had ended before anything happened to it.
	missed func() bool
	// whole is what the database and its file store look like.
	whole string
}

// newPlace makes the project's files; nothing is started.
func newPlace(t *tries) (*place, error) {
	dir, err := os.MkdirTemp("/tmp", "odpm-torture-")
	if err != nil {
		return nil, err
	}
	return newPlaceIn(t, dir)
}

func newPlaceIn(t *tries, dir string) (*place, error) {
	p := &place{t: t, dir: dir}
	var err error
	if p.bin, err = localpg.Bin("15"); err == nil {
		p.psql, err = localpg.Client("psql", 15)
	}
	if err == nil {
		p.port, err = localpg.FreePort()
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	for name, text := range map[string]string{
		"odpm.json":          `{"postgres_version": "15", "odoo_version": "18.0"}`,
		".env":               fmt.Sprintf("ODPM_RUNTIME=native\nPOSTGRES_PORT=%d\nBACKUP_DIR=%s/backups\nODPM_PG_BINDIR=%s\n", p.port, dir, p.bin),
		"user_settings.json": `{"db_creation_data": {"db_default_admin_password": "n3w"}}`,
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "backups"), 0o700)
	}
	return p, err
}

// newFull is a place with a database and an archive of it.
func newFull(t *tries) (*place, error) {
	p, err := newPlace(t)
	if err != nil {
		return p, err
	}
	return p, p.fill()
}

// fill gives it the database: of Odoo's shape and small, so that it is made,
// saved and restored a thousand times, or the archive that -archive names.
func (p *place) fill() error {
	if *archiveFlag != "" {
		file, err := filepath.Abs(*archiveFlag)
		if err == nil {
			err = p.odpm("-d", database, "--db-restore", file, "--no-input")
		}
		if err != nil {
			return err
		}
	} else if err := p.smallDatabase(); err != nil {
		return err
	}
	if err := p.odpm("-d", database, "--db-backup", p.archive(), "--no-input"); err != nil {
		return err
	}
	// A backup has the files of attachments, and no others that lie about.
	err := p.odpm("-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input")
	if err == nil {
		p.whole, err = p.look()
	}
	return err
}

// smallDatabase is the one that the tests' stand-in for Odoo makes.
func (p *place) smallDatabase() error {
	if err := p.odpm("--no-input"); err != nil {
		return err
	}
	schema, err := os.ReadFile("test/images/odoo/odoo/modules/schema.sql")
	if err != nil {
		return fmt.Errorf("run it at the top of the repository: %w", err)
	}
	sql := string(schema) + `INSERT INTO ir_module_module (name, state, latest_version) VALUES ('base', 'installed', '18.0.1.3'), ('web', 'installed', '18.0.1.0');`
	for n := range 30 {
		content := bytes.Repeat([]byte{byte(n)}, 1000*(n+1))
		sum := fmt.Sprintf("%x", sha1.Sum(content))
		name := sum[:2] + "/" + sum
		file := filepath.Join(p.filestore(database), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644)); err != nil {
			return err
		}
		sql += fmt.Sprintf("INSERT INTO ir_attachment (name, type, store_fname, file_size, checksum) VALUES ('file %d', 'binary', '%s', %d, '%s');\n", n, name, len(content), sum)
	}
	if _, err := p.query("postgres", "CREATE DATABASE "+database+" TEMPLATE template0"); err != nil {
		return err
	}
	_, err = p.query(database, sql)
	return err
}

func (p *place) archive() string { return filepath.Join(p.dir, "whole.zip") }

// remove ends the server and takes the directory away.
func (p *place) remove() {
	for _, pid := range native.ServersOn(filepath.Join(p.dir, "data/postgresql/var/lib/postgresql/data")) {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
	for end := time.Now().Add(5 * time.Second); os.RemoveAll(p.dir) != nil && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
}

// command runs odpm in the project.
func (p *place) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.t.bin, "odpm"), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "PATH="+p.t.bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}

// patience is far more than any command here takes.
const patience = 5 * time.Minute

// odpm runs it to its end. A crash is an error that says so.
func (p *place) odpm(args ...string) error {
	ctx, cancel := context.WithTimeout(p.t.ctx, patience)
	defer cancel()
	out, err := p.command(ctx, args...).CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("odpm %s: not done after %s\n%s", strings.Join(args, " "), patience, out)
	case crashed(out):
		return fmt.Errorf("odpm %s crashed\n%s", strings.Join(args, " "), out)
	case err != nil:
		return fmt.Errorf("odpm %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// running is an odpm at work.
type running struct {
	cmd  *exec.Cmd
	out  *bytes.Buffer
	over chan struct{}
	err  error
}

func (p *place) start(args ...string) (*running, error) {
	cmd := p.command(p.t.ctx, args...)
	if p.through != nil {
		cmd = p.through(cmd)
	}
	return start(cmd)
}

func start(cmd *exec.Cmd) (*running, error) {
	r := &running{cmd: cmd, out: new(bytes.Buffer), over: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = r.out, r.out
	// A client program that outlives it keeps the output open.
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.err = cmd.Wait(); close(r.over) }()
	return r, nil
}

// ends tells whether it ends within a time.
func (r *running) ends(within time.Duration) bool {
	select {
	case <-r.over:
		return true
	case <-time.After(within):
		return false
	}
}

func (r *running) kill() { _ = r.cmd.Process.Kill() }

// wait is until it has ended. Broken is that it does not, or crashes; done that
// it said that everything is done.
func (r *running) wait() (done bool, broken error) {
	if !r.ends(patience) {
		_ = r.cmd.Process.Signal(syscall.SIGQUIT) // it shows what it waits for
		if !r.ends(10 * time.Second) {
			r.kill()
			<-r.over
		}
		return false, fmt.Errorf("it did not end\n%s", r.out)
	}
	if crashed(r.out.Bytes()) {
		return false, fmt.Errorf("it crashed\n%s", r.out)
	}
	return r.err == nil, nil
}

// ownWakeup is what Go's runtime ends with where it cannot write to the eventfd that
// it wakes itself by. There is no file and no network behind that: only strace
// makes it fail, and what was meant to fail was something else.
var ownWakeup = []byte("runtime: netpollBreak write failed")

func crashed(out []byte) bool {
	if bytes.Contains(out, ownWakeup) {
		return false // as good as a kill
	}
	return bytes.Contains(out, []byte("\ngoroutine ")) || bytes.Contains(out, []byte("DATA RACE"))
}

// ended runs odpm and ends it with a signal after a time; done says that it
// was through before.
func (p *place) ended(sig syscall.Signal, after time.Duration, args ...string) (done bool, err error) {
	r, err := p.start(args...)
	if err != nil {
		return false, err
	}
	if !r.ends(after) {
		_ = r.cmd.Process.Signal(sig)
	}
	return r.wait()
}

// query asks with psql, as Odoo's role.
func (p *place) query(db, sql string) (string, error) {
	cmd := exec.CommandContext(p.t.ctx, p.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "odoo", "-d", db, "-c", sql)
	cmd.Env = append(os.Environ(), "PGPASSWORD=odoo")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, bytes.TrimSpace(out))
	}
	return strings.TrimSpace(string(out)), nil
}

// exists asks whether the database is there.
func (p *place) exists() (bool, error) {
	n, err := p.query("postgres", "SELECT count(*) FROM pg_database WHERE datname = '"+database+"'")
	return n == "1", err
}

// rows counts the rows of every table but the mark's.
const rows = `SELECT string_agg(relname || ' ' || (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, false, true, '')))[1]::text, ',' ORDER BY relname)
	FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'only_in_the_old_one'`

// look is the database and its file store as text.
func (p *place) look() (string, error) {
	counts, err := p.query(database, rows)
	if err != nil {
		return "", err
	}
	files, size := 0, int64(0)
	err = filepath.WalkDir(p.filestore(database), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files, size = files+1, size+info.Size()
		}
		return err
	})
	return fmt.Sprintf("%s; %d files, %d bytes", counts, files, size), err
}

func (p *place) filestore(db string) string { return filepath.Join(p.dir, "data/odoo/filestore", db) }

// same is an error where the database is not as it was.
func (p *place) same() error {
	now, err := p.look()
	if err == nil && now != p.whole {
		was := strings.Split(p.whole, ",")
		differ := slices.DeleteFunc(strings.Split(now, ","), func(s string) bool { return slices.Contains(was, s) })
		err = fmt.Errorf("the database is not whole; other than before: %s", strings.Join(differ, ","))
	}
	return err
}

// age makes what killed writers left older than any writer lives: younger ones
// may be somebody's who is still at it, and stay.
func (p *place) age() {
	left, _ := filepath.Glob(filepath.Join(p.dir, ".odpm/*/.*.tmp"))
	for _, path := range left {
		_ = os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour))
	}
}

// clean is an error where a run has left something that the next does not need.
func (p *place) clean() error {
	var err error
	for _, pattern := range []string{".odpm/state/restore-*", ".odpm/state/backup-*", ".odpm/state/drop-*", ".odpm/state/initdb*",
		"data/odoo/filestore/odpm_*", "backups/*.part", "backups/odpm_*", "*.part", "odpm_*", ".odpm/*/.*.tmp"} {
		found, gerr := filepath.Glob(filepath.Join(p.dir, pattern))
		err = errors.Join(err, gerr)
		if len(found) > 0 {
			err = errors.Join(err, fmt.Errorf("left behind: %s", strings.Join(found, ", ")))
		}
	}
	hidden, qerr := p.query("postgres", `SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE 'odpm\_%'`)
	if hidden != "" {
		err = errors.Join(err, fmt.Errorf("left behind: database %s", hidden))
	}
	return errors.Join(err, qerr)
}
