package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

func (p *project) check(t *testing.T, c *localpg.Cluster, args ...string) result {
	t.Helper()
	return invocation{env: append(connection(c), p.env()...), args: append(args, "--", "odoo")}.run(t)
}

// TestRecords: compose, odoo_conf and scenario are the hand-off's, cluster is
// what the server says; pg_controldata is the witness for its identity.
func TestRecords(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	before := time.Now().UTC().Truncate(time.Second)
	p.check(t, c).want(t, 0, "baseline=recorded", "odoo pid=")

	s := p.load(t)
	want := p.handoff.Candidate
	if s.Compose != want.Compose || s.OdooConf != want.OdooConf || s.Scenario != want.Scenario {
		t.Errorf("not what the hand-off says: %+v", s)
	}
	if s.HandoffID != p.id {
		t.Errorf("handoff_id %q, want %q", s.HandoffID, p.id)
	}
	if s.RecordedAt.Before(before) || s.RecordedAt.After(time.Now().Add(time.Second)) {
		t.Errorf("recorded at %s", s.RecordedAt)
	}
	control := exec.Command(filepath.Join(c.Bin, "pg_controldata"), c.Dir)
	control.SysProcAttr = asOwnerOf(t, c.Dir)
	control.Env = append(os.Environ(), "LC_ALL=C")
	out, err := control.Output()
	if err != nil {
		t.Fatal(err)
	}
	if s.Cluster.SystemIdentifier == "" || !strings.Contains(string(out), "Database system identifier:           "+s.Cluster.SystemIdentifier+"\n") {
		t.Errorf("system_identifier %s, pg_controldata says\n%s", s.Cluster.SystemIdentifier, out)
	}
	if s.Cluster.AppRole != appRole || s.Cluster.PGMajor != 15 || s.Cluster.AppRolePresent == nil || !*s.Cluster.AppRolePresent || !s.Cluster.DataDirNonempty {
		t.Errorf("cluster %+v", s.Cluster)
	}
	data := readFile(t, p.path())
	validate(t, "last_run", data)
	if bytes.Contains(data, []byte(appPassword)) {
		t.Error("the password is in the snapshot")
	}
	info, _ := os.Stat(p.path())
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode %s", info.Mode())
	}
	onlyFile(t, p.database)
}

// onlyFile: no temporary file is left behind.
func onlyFile(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != snapshot.FileName {
		t.Errorf("%s holds %v", dir, entries)
	}
}

func validate(t *testing.T, schema string, document []byte) {
	t.Helper()
	if err := schemas.Validate(schema, document); err != nil {
		t.Errorf("schema: %v\n%s", err, document)
	}
}

// TestKeepsUnknownMembers: a newer odpm's members survive our rewrite, on
// every level.
func TestKeepsUnknownMembers(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	p.check(t, c).want(t, 0)
	var doc map[string]any
	if err := json.Unmarshal(readFile(t, p.path()), &doc); err != nil {
		t.Fatal(err)
	}
	doc["x_top"] = map[string]any{"deep": []any{1.5, "é"}}
	doc["cluster"].(map[string]any)["x_cluster"] = "kept"
	doc["compose"].(map[string]any)["x_compose"] = nil
	doc["odoo_conf"].(map[string]any)["x_conf"] = true
	doc["cluster"].(map[string]any)["pg_major"] = 13
	edited, _ := json.Marshal(doc)
	if err := os.WriteFile(p.path(), edited, 0o644); err != nil {
		t.Fatal(err)
	}
	p.check(t, c).want(t, 0, "baseline=recorded")
	data := string(readFile(t, p.path()))
	for _, want := range []string{`"x_top": {`, `1.5`, `"é"`, `"x_cluster": "kept"`, `"x_compose": null`, `"x_conf": true`, `"pg_major": 15`} {
		if !strings.Contains(data, want) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
}

// TestDurable watches the system calls: the content is synced before the
// rename, the directory after it.
func TestDurable(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", binary, "--", "true")
	cmd.Env = append(append([]string{"PATH=" + binDir + ":/usr/bin:/bin"}, connection(c)...), p.env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s; is strace there? run: make setup", err, out)
	}
	var order []string
	for line := range strings.Lines(string(readFile(t, trace))) {
		switch {
		case strings.Contains(line, "sync(") && strings.Contains(line, ".tmp>"):
			order = append(order, "sync file")
		case strings.Contains(line, "rename") && strings.Contains(line, "last_run.json\""):
			order = append(order, "rename")
		case strings.Contains(line, "sync(") && strings.Contains(line, p.database+">"):
			order = append(order, "sync directory")
		}
	}
	if got := strings.Join(order, ", "); got != "sync file, rename, sync directory" {
		t.Errorf("%s\n%s", got, readFile(t, trace))
	}
}

// TestRecordsNothingOnMismatch: an old container that restarts cannot prove a
// configuration that it does not run.
func TestRecordsNothingOnMismatch(t *testing.T) {
	c := server(t)
	for _, tc := range []struct{ name, id string }{{"other id", "00000000000000000000000000000000"}, {"no id", ""}} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, c, 18)
			p.id = tc.id
			r := p.check(t, c)
			r.want(t, 0, "level=WARN", "no baseline is recorded", p.handoff.ID, "baseline=stale", "odoo pid=")
			empty(t, p.database)
			p.check(t, c, "--require-baseline").want(t, 73, "the baseline was not written")
			empty(t, p.database)
		})
	}
	t.Run("an existing one stays", func(t *testing.T) {
		p := newProject(t, c, 18)
		p.check(t, c).want(t, 0)
		before := readFile(t, p.path())
		p.id = "00000000000000000000000000000000"
		p.check(t, c).want(t, 0)
		if !bytes.Equal(before, readFile(t, p.path())) {
			t.Error("it was rewritten")
		}
	})
	t.Run("another role", func(t *testing.T) {
		sql(t, c, "CREATE ROLE somebody LOGIN PASSWORD 'x'")
		p := newProject(t, c, 18)
		r := invocation{env: append(p.env(), connection(c)...), args: []string{"--", "odoo", "-r", "somebody", "-w", "x"}}.run(t)
		r.want(t, 0, `the login was proven for role \"somebody\", but the project's role is \"odoo\"`, "baseline=failed")
		empty(t, p.database)
	})
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("%s holds %v", dir, entries)
	}
}

// TestRefusedLoginRecordsNothing: only a proven login writes.
func TestRefusedLoginRecordsNothing(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	invocation{env: append(append(connection(c), p.env()...), "PGPASSWORD=wrong"), args: []string{"--", "odoo"}}.run(t).want(t, 77)
	empty(t, p.database)
}

// TestBaselineThatCannotBeWritten: a warning that names the trouble and the
// way on, and Odoo starts; with --require-baseline it is 73 and Odoo does not.
func TestBaselineThatCannotBeWritten(t *testing.T) {
	c := server(t)
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, p *project)
		words  string
	}{
		{"no directory", func(t *testing.T, p *project) { os.Remove(p.database) }, "is not mounted"},
		{"a file in its place", func(t *testing.T, p *project) {
			os.Remove(p.database)
			write(t, p.database, "")
		}, "not a directory"},
		{"read-only mount", func(t *testing.T, p *project) { mount(t, p.database, "ro") }, "mounted read-only"},
		{"full disk", func(t *testing.T, p *project) {
			mount(t, p.database, "size=4k")
			write(t, filepath.Join(p.database, "ballast"), strings.Repeat("x", 4096))
		}, "no space left"},
		{"not a snapshot", func(t *testing.T, p *project) { write(t, p.path(), "{}") }, "is left alone"},
		{"a newer one", func(t *testing.T, p *project) { write(t, p.path(), `{"schema_version": 2}`) }, "newer"},
		{"a symbolic link", func(t *testing.T, p *project) { os.Symlink("/etc/passwd", p.path()) }, "symbolic link"},
		{"a pipe", func(t *testing.T, p *project) { syscall.Mkfifo(p.path(), 0o644) }, "not a regular file"},
		{"hand-off cut in half", func(t *testing.T, p *project) { write(t, filepath.Join(p.runtime, "checker.json"), `{"version": 1,`) }, "hand-off is not valid"},
		{"hand-off of another release", func(t *testing.T, p *project) {
			write(t, filepath.Join(p.runtime, "checker.json"), `{"version": 2}`)
		}, "odpm and odpm-checker must be of one release"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, c, 18)
			tc.damage(t, p)
			before := tree(t, p.database)
			p.check(t, c).want(t, 0, "level=WARN", "the baseline was not written", tc.words, "baseline=failed", "odoo pid=")
			r := p.check(t, c, "--require-baseline")
			r.want(t, 73, "level=ERROR", tc.words)
			if r.stdout != "" {
				t.Errorf("Odoo was started: %s", r.stdout)
			}
			if after := tree(t, p.database); after != before {
				t.Errorf("the directory changed from %s to %s", before, after)
			}
		})
	}
	t.Run("another uid's directory", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Fatal("root is needed to become another uid")
		}
		p := newProject(t, c, 18)
		// The way there is open for everybody; the directory itself is root's.
		for d := p.database; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
			os.Chmod(d, 0o755)
		}
		cmd := exec.Command(binary, "--", "odoo")
		cmd.Env = append(append([]string{"PATH=" + binDir + ":/usr/bin:/bin"}, connection(c)...), p.env()...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1234, Gid: 1234}}
		out, err := cmd.CombinedOutput()
		result{code: exitCode(t, err), stdout: string(out)}.want(t, 0, "uid 1234 may not write", "chown 1234 .odpm/database", "odoo pid=")
	})
}

// mount puts a small tmpfs over dir for the test.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("odpm-test", dir, "tmpfs", 0, strings.TrimPrefix(options, "ro")); err != nil {
		t.Fatalf("mount: %v (root is needed)", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if options == "ro" {
		remountReadOnly(t, dir)
	}
}

func remountReadOnly(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("odpm-test", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// tree describes a directory with its content.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(d.Type().String() + " " + d.Name())
		if d.Type().IsRegular() {
			b.Write(readFile(t, path))
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b.String()
}

// TestWithoutHandoff: in any image, without odpm, it waits, logs in and starts
// the program, says nothing about it and writes nothing.
func TestWithoutHandoff(t *testing.T) {
	c := server(t)
	dir := t.TempDir()
	r := invocation{env: append(connection(c), "ODPM_RUNTIME_DIR="+dir+"/absent", "ODPM_DATABASE_DIR="+dir), args: []string{"--", "odoo"}}.run(t)
	r.want(t, 0, "baseline=none", "odoo pid=")
	if strings.Contains(r.stderr, "WARN") {
		t.Errorf("%s", r.stderr)
	}
	empty(t, dir)
	// Who demands one is told.
	r = invocation{env: append(connection(c), "ODPM_RUNTIME_DIR="+dir+"/absent", "ODPM_DATABASE_DIR="+dir, "ODPM_REQUIRE_BASELINE=true"), args: []string{"--", "odoo"}}.run(t)
	r.want(t, 73, "no hand-off")
}

// TestRecordsTheStart: what odpm had announced when the checker began comes
// back, and only that: another start that is announced while this one waits is
// not this one.
func TestRecordsTheStart(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	path := filepath.Join(p.runtime, handoff.StartFileName)
	for _, junk := range []string{"", "{", `{"start_id": "x"}`, `{"start_id": "` + strings.Repeat("a", 31) + `\n"}`} {
		if err := os.WriteFile(path, []byte(junk), 0o644); err != nil {
			t.Fatal(err)
		}
		p.check(t, c).want(t, 0, "baseline=recorded")
		if id := p.load(t).StartID; id != "" {
			t.Errorf("%q gave %q", junk, id)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	p.check(t, c).want(t, 0, "baseline=recorded")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first, second := handoff.NewStartID(), handoff.NewStartID()
	if err := handoff.SaveStart(p.runtime, first); err != nil {
		t.Fatal(err)
	}
	p.check(t, c).want(t, 0, "baseline=recorded")
	if id := p.load(t).StartID; id != first {
		t.Errorf("start_id %q, want %q", id, first)
	}
	validate(t, "last_run", readFile(t, p.path()))

	// Nothing listens until the second start is announced.
	c = startServer(t, nil)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, _, _ := invocation{env: append(connection(c), p.env()...), args: []string{"--", "odoo"}}.prepare(t, t.Context())
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); !bytes.Contains(readFile(t, log.Name()), []byte("waiting: ")); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not wait")
		}
	}
	if err := handoff.SaveStart(p.runtime, second); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, readFile(t, log.Name()))
	}
	if id := p.load(t).StartID; id != first {
		t.Errorf("start_id %q, want the first one's %q", id, first)
	}
}

// TestNoRecord: the login is proven, and the file stays as it is, whatever else
// asks for a baseline.
func TestNoRecord(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	p.check(t, c, "--no-record", "--require-baseline").want(t, 0, "login proven", "baseline=off")
	if _, err := os.Stat(p.path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	invocation{env: append(append(connection(c), p.env()...), "ODPM_NO_RECORD=true"), args: []string{"--check", "--", "odoo"}}.run(t).want(t, 0, "baseline=off")
	if _, err := os.Stat(p.path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
