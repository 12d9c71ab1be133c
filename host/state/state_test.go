package state_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/snapshot"
)

func TestDirs(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.Runtime(), d.Database(), d.State()} {
		if b, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err != nil || string(b) != "*\n" {
			t.Errorf("%s: %q %v", dir, b, err)
		}
	}
	if info, _ := os.Stat(d.State()); info.Mode().Perm() != 0o700 {
		t.Errorf("state is %s", info.Mode())
	}
	a, err := d.Secret("postgres_password")
	b, _ := d.Secret("postgres_password")
	if err != nil || a != b || len(a) < 30 {
		t.Errorf("secret %q %q %v", a, b, err)
	}
	if info, _ := os.Stat(d.SecretPath("postgres_password")); info.Mode().Perm() != 0o600 {
		t.Errorf("secret is %s", info.Mode())
	}
}

// A secret that a container has to read is closed to others on this machine, in a
// directory that a copy of the project has opened as well. No link is followed.
func TestOpenSecret(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	if err := os.MkdirAll(d.State(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("postgres_password"); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenSecret("postgres_password"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{d.State(): 0o700, d.SecretPath("postgres_password"): 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, d.SecretPath("link")); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenSecret("link"); err == nil {
		t.Error("a link was followed")
	}
	if info, _ := os.Stat(other); info.Mode().Perm() != 0o600 {
		t.Errorf("what a link leads to is %v", info.Mode())
	}
}

// What killed writers leave is removed, whatever the run does otherwise; what
// somebody may still be writing, and other people's files, stay.
func TestSweep(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	receipts := filepath.Join(d.State(), "receipts")
	for _, dir := range []string{receipts, d.Image()} {
		if err := state.EnsureDir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	conf := filepath.Join(d.Project, "odoo.conf")
	if err := errors.Join(os.Symlink(filepath.Join(elsewhere, "real.conf"), conf), os.Symlink(elsewhere, filepath.Join(d.Database(), "link")),
		os.WriteFile(filepath.Join(elsewhere, "real.conf"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	stays := map[string]bool{}
	put := func(path string, age time.Duration, stay bool) {
		stays[path] = stay
		then := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{d.Database(), d.State(), d.Runtime(), d.Image(), receipts} {
		put(filepath.Join(dir, ".last_run.json.123.tmp"), time.Hour, false)
		put(filepath.Join(dir, ".last_run.json.456.tmp"), 0, true)
		put(filepath.Join(dir, "notes.tmp"), time.Hour, true)
	}
	put(filepath.Join(d.Project, ".docker-compose.yml.1.tmp"), time.Hour, false)
	put(filepath.Join(d.Project, ".somebodys.1.tmp"), time.Hour, true)
	put(filepath.Join(elsewhere, ".real.conf.1.tmp"), time.Hour, false)
	put(filepath.Join(elsewhere, ".other.1.tmp"), time.Hour, true)
	d.Sweep(filepath.Join(d.Project, "docker-compose.yml"), conf, filepath.Join(d.Project, "none", "none"))
	for path, want := range stays {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	state.NewDirs(filepath.Join(d.Project, "none")).Sweep()
}

// The container writes in .odpm/database: what it leaves under the names that
// odpm uses must neither hold odpm up nor lead it elsewhere.
func TestDirsOfAHostileContainer(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	other := filepath.Join(d.Project, "other")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ignore := filepath.Join(d.Database(), ".gitignore")
	for name, put := range map[string]func() error{
		"a pipe":                    func() error { return syscall.Mkfifo(ignore, 0o644) },
		"a link":                    func() error { return os.Symlink(other, ignore) },
		"a link to what never ends": func() error { return os.Symlink("/dev/zero", ignore) },
		"a directory":               func() error { return os.MkdirAll(filepath.Join(ignore, "full"), 0o755) },
	} {
		if err := d.Ensure(); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(ignore)
		if err := put(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- d.Ensure() }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s holds odpm up", name)
		}
		if info, err := os.Lstat(ignore); err != nil || !info.Mode().IsRegular() && name != "a directory" {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if b, err := os.ReadFile(other); err != nil || len(b) != 0 {
		t.Errorf("the link was followed: %q %v", b, err)
	}
}

// What stands in the way is named with the command that takes it away, which
// a shell must read as it is meant.
func TestInTheWay(t *testing.T) {
	d := state.NewDirs(filepath.Join(t.TempDir(), "my project"))
	if err := os.MkdirAll(filepath.Dir(d.State()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.State(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Ensure(); err == nil || !strings.HasSuffix(err.Error(), ": mv '"+d.State()+"' '"+d.State()+".aside'") {
		t.Errorf("a file: %v", err)
	}
	if err := os.Remove(d.State()); err != nil {
		t.Fatal(err)
	}
	lock, other := filepath.Join(d.State(), "lock"), filepath.Join(t.TempDir(), "other")
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, lock); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LockProject("", "odpm"); err == nil || !strings.HasSuffix(err.Error(), "then move it aside: mv '"+lock+"' '"+lock+".aside'") {
		t.Errorf("a link: %v", err)
	}
}

// TestReadsFilesAlone: what a project was unpacked with under the names of odpm's
// own records keeps no run waiting, and is named with a command that takes it
// away, whatever it is.
func TestReadsFilesAlone(t *testing.T) {
	d := state.NewDirs(filepath.Join(t.TempDir(), "my project"))
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	for kind, make := range map[string]func(path string) error{
		"a pipe":                              func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":                         func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"a symbolic link":                     func(path string) error { return os.Symlink("/etc/passwd", path) },
		"the file is empty; allowed: a JSON ": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		// Whoever repairs it by hand learns where.
		"line 2, column 8: not a JSON ": func(path string) error { return os.WriteFile(path, []byte("\n   \"a\" 5"), 0o600) },
	} {
		for name, read := range map[string]func() error{
			state.AdoptionFile: func() error { _, err := d.Adoption(); return err },
			state.AcceptedFile: func() error { _, err := d.Acceptances(); return err },
			state.EngineFile:   func() error { return d.Remember(state.EngineFile, "docker") },
		} {
			if name == state.EngineFile && strings.Contains(kind, "JSON") {
				continue
			}
			path := filepath.Join(d.State(), name)
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			if err := read(); err == nil || !strings.Contains(err.Error(), kind) || !strings.HasSuffix(err.Error(), "mv '"+path+"' '"+path+".aside'") {
				t.Errorf("%s is %s: %v", name, kind, err)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	l, err := d.LockProject("", "odpm --first")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.LockProject("", "odpm --second")
	var busy *state.Busy
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "odpm --first") {
		t.Errorf("second run: %v", err)
	}
	l.Unlock()
	l, err = d.LockProject("", "odpm --third")
	if err != nil {
		t.Fatal(err)
	}
	l.Unlock()
}

// Between the lock and its note the file still names the run before.
func TestLockWaitsForTheNote(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	l, err := d.LockProject("", "odpm --first")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	path := filepath.Join(d.State(), "lock")
	note, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", fmt.Sprintf("pid %d (odpm --before) since then\n", ended.ProcessState.Pid()), "pid 1 (\x1b[2J) since then\n"} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { os.WriteFile(path, note, 0o600) })
		_, err = d.LockProject("", "odpm --second")
		if err == nil || !strings.Contains(err.Error(), "odpm --first") || !strings.Contains(err.Error(), fmt.Sprintf("ps -p %d", os.Getpid())) {
			t.Errorf("after %q: %v", before, err)
		}
	}
	os.WriteFile(path, nil, 0o600)
	if _, err := d.LockProject("", "odpm --second"); err == nil || !strings.Contains(err.Error(), "another run") || strings.Contains(err.Error(), "<pid>") {
		t.Errorf("without a note: %v", err)
	}
}

// Two projects, one data directory by two paths.
func TestLockBelongsToTheDataDirectory(t *testing.T) {
	root := t.TempDir()
	data, link := filepath.Join(root, "pg"), filepath.Join(root, "link")
	os.Mkdir(data, 0o700)
	os.Symlink(data, link)
	one, two := state.NewDirs(filepath.Join(root, "one")), state.NewDirs(filepath.Join(root, "two"))
	l, err := one.LockProject(data, "odpm one")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	if _, err := two.LockProject(link, "odpm two"); err == nil || !strings.Contains(err.Error(), "odpm one") {
		t.Errorf("the same directory through a link: %v", err)
	}
	other, err := two.LockProject(filepath.Join(root, "not-there-yet"), "odpm two")
	if err != nil {
		t.Fatal(err)
	}
	other.Unlock()
}

// Whoever else works on the same data directory has to be able to lock it.
func TestLockIsForEverybody(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	mine := "odpm " + t.TempDir()
	l, err := state.NewDirs(t.TempDir()).LockProject(t.TempDir(), mine)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	locks, err := filepath.Glob("/tmp/odpm-locks/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range locks {
		if note, err := os.ReadFile(path); err == nil && strings.Contains(string(note), mine) {
			if info, err := os.Lstat(path); err != nil || info.Mode() != 0o666 {
				t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
			return
		}
	}
	t.Errorf("there is no lock of %q", mine)
}

// TestSnapshotOfAHostileContainer: what lies in last_run.json's place is
// replaced, and nothing that it leads to is written or given away.
func TestSnapshotOfAHostileContainer(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	if os.Geteuid() == 0 {
		d.UID, d.GID = 12345, 12345
	}
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	present := true
	s := &snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: "odoo", AppRolePresent: &present, DataDirNonempty: true, PGMajor: 15},
		Compose:  snapshot.Compose{ProjectName: "acme", OdooServiceName: "acme-odoo", ServiceName: "acme-db", DataPathAbs: "/srv/acme/data/postgresql/var/lib/postgresql/data", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "acme-db", DBPort: 5432, DBUser: "odoo"},
		Scenario: "developer", RecordedAt: time.Date(2026, 6, 17, 20, 0, 0, 0, time.UTC),
	}
	path := filepath.Join(d.Database(), snapshot.FileName)
	for name, put := range map[string]func() error{
		"a pipe":      func() error { return syscall.Mkfifo(path, 0o644) },
		"a link":      func() error { return os.Symlink(other, path) },
		"a hard link": func() error { return os.Link(other, path) },
	} {
		os.Remove(path)
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if err := d.SaveSnapshot(s); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%s: %v %v", name, info.Mode(), err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; d.UID >= 0 && int(uid) != d.UID {
			t.Errorf("%s: it belongs to %d", name, uid)
		}
	}
	info, err := os.Lstat(other)
	if text, _ := os.ReadFile(other); err != nil || string(text) != "text" || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		t.Errorf("the other file was changed: %q, %v", text, err)
	}
	os.Remove(path)
	os.Mkdir(path, 0o755)
	if err := d.SaveSnapshot(s); err == nil {
		t.Error("a directory was replaced")
	}
	// The directory itself is not the container's to replace, and is looked at all the same.
	os.RemoveAll(d.Database())
	os.Symlink(filepath.Dir(other), d.Database())
	if err := d.Ensure(); err == nil || !strings.Contains(err.Error(), "move it aside: mv ") {
		t.Errorf("a link to a directory: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(other), ".gitignore")); err == nil {
		t.Error("the link was followed")
	}
}
