package filestore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/project"
)

var ctx = context.Background()

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// project with a data_dir that has two file stores, and a directory of the host's.
func newLayout(t *testing.T) (l Layout, host string) {
	t.Helper()
	base := t.TempDir()
	l = Layout{DataDir: filepath.Join(base, "project", "data", "odoo"), EnvFile: filepath.Join(base, "project", ".env")}
	host = filepath.Join(base, "host's own")
	must(t, os.MkdirAll(l.Path("prod")+"/ab", 0o755), os.MkdirAll(l.Path("test")+"/ab", 0o755), os.MkdirAll(host+"/ab", 0o755),
		os.WriteFile(host+"/shadow", []byte("s3cret"), 0o600), os.WriteFile(l.Path("prod")+"/ab/abcd", []byte("x"), 0o644))
	return l, host
}

func live(t *testing.T, l Layout, database string) (*Store, error) {
	t.Helper()
	h, err := l.Home(database)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return h.Open(h.Live)
}

// TestLinkIsRecorded: a link in the place of a file store, or of all of them, is
// refused with a command; typed as it is, that command makes odpm use what the
// link led to.
func TestLinkIsRecorded(t *testing.T) {
	for _, target := range []string{"big", "it is $HOME `x` \"big\" ü"} {
		for _, which := range []string{"prod", ""} {
			l, _ := newLayout(t)
			dir := filepath.Dir(l.EnvFile)
			link := filepath.Join(l.Root(), which)
			away := filepath.Join(t.TempDir(), target)
			must(t, os.Rename(link, away), os.Symlink(away, link),
				os.WriteFile(dir+"/odpm.json", []byte(`{"postgres_version": "17", "odoo_version": "18.0"}`), 0o644),
				os.WriteFile(l.EnvFile, []byte("POSTGRES_PORT=5433"), 0o644)) // without a line break
			_, err := live(t, l, "prod")
			var e *LinkError
			if !errors.As(err, &e) || e.Target != away {
				t.Fatalf("%s: %v", link, err)
			}
			_, rest, _ := strings.Cut(err.Error(), "no container can write: ")
			command, _, _ := strings.Cut(rest, "\n")
			if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", command, err, out)
			}
			p, err := project.Load(dir, nil, t.TempDir())
			must(t, err)
			l.Dir, l.Databases = p.FilestoreDir, p.FilestoreDirs
			if p.PostgresPort != 5433 || which == "" && l.Dir != away || which != "" && l.Databases[which] != away {
				t.Fatalf("%s gave %d %q %q", command, p.PostgresPort, l.Dir, l.Databases)
			}
			s, err := live(t, l, "prod")
			must(t, err)
			if n, err := s.Size("ab/abcd"); n != 1 || err != nil {
				t.Errorf("%d %v", n, err)
			}
			s.Close()
		}
	}
}

// TestLinkIsNotOffered: what the container can write, or what is no plain text,
// is not offered to be recorded.
func TestLinkIsNotOffered(t *testing.T) {
	l, _ := newLayout(t)
	link := l.Path("prod")
	must(t, os.RemoveAll(link))
	for _, target := range []string{"test", "../../odoo/x", l.Path("test"), "/tmp/a'b", "/tmp/a\nb", "/tmp/\x1b[2J"} {
		must(t, os.Symlink(target, link))
		_, err := live(t, l, "prod")
		if !IsLink(err) || strings.Contains(err.Error(), "ODOO_FILESTORE") || strings.ContainsAny(err.Error(), "\x1b") {
			t.Errorf("%q: %v", target, err)
		}
		must(t, os.Remove(link))
	}
}

// TestHostFiles: nothing of the host's is read, linked or counted through what
// a container can make in a file store.
func TestHostFiles(t *testing.T) {
	l, host := newLayout(t)
	p := l.Path("prod")
	must(t, os.Symlink(host+"/shadow", p+"/ab/file"), os.Symlink(host, p+"/cd"), os.Symlink("ab", p+"/ef"), unix.Mkfifo(p+"/ab/pipe", 0o666),
		os.Mkdir(p+"/ab/directory", 0o755), os.WriteFile(p+"/gh", nil, 0o644))
	s, err := live(t, l, "prod")
	must(t, err)
	defer s.Close()
	h, err := l.Home("prod")
	must(t, err)
	defer h.Close()
	to, err := h.Make("odpm_x", 0o700, nil)
	must(t, err)
	defer to.Close()
	for name, words := range map[string]string{"ab/file": "symbolic link", "cd/shadow": "symbolic link", "ef/abcd": "symbolic link", "ab/pipe": "a pipe",
		"ab/directory": "a directory, not", "gh/x": "not a directory", "../test/x": "", "/etc/passwd": "", strings.Repeat("n", 300): "", strings.Repeat("n", 300) + "/x": "", "": "", "ab/": ""} {
		_, err := s.Size(name)
		var e *ForeignError
		if words == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("size of %q: %v", name, err)
			}
			continue
		}
		if !errors.As(err, &e) || !strings.Contains(err.Error(), words) {
			t.Errorf("size of %q: %v", name, err)
		}
		if err := to.Take(s, name); !errors.As(err, &e) {
			t.Errorf("taking %q: %v", name, err)
		}
		if f, _, err := s.Open(name); err == nil {
			f.Close()
			t.Errorf("%q was opened", name)
		}
	}
	must(t, to.Take(s, "ab/abcd"))
	var files []string
	must(t, s.Each(nil, func(name string, _ int64) error { files = append(files, name); return nil }))
	if len(files) != 2 { // ab/abcd and gh
		t.Error(files)
	}
	entries := 0
	must(t, to.Each(nil, func(string, int64) error { entries++; return nil }))
	if entries != 1 {
		t.Errorf("%d files were taken", entries)
	}
}

// TestOthersHardLink: a file with another name elsewhere and another owner is
// taken where its name proves that Odoo has written it, and else not.
func TestOthersHardLink(t *testing.T) {
	l, host := newLayout(t)
	p := l.Path("prod")
	sum := sha1.Sum([]byte("an attachment"))
	proven := "ab/" + hex.EncodeToString(sum[:])
	must(t, os.WriteFile(p+"/"+proven, []byte("an attachment"), 0o600), os.Link(p+"/"+proven, host+"/copy"),
		os.WriteFile(p+"/ab/own", []byte("x"), 0o600), os.Link(p+"/ab/own", host+"/dedup"), os.WriteFile(p+"/ab/roots", []byte("x"), 0o600))
	want := map[string]bool{proven: true, "ab/own": true, "ab/roots": true}
	if os.Geteuid() == 0 { // nobody else can give files away
		must(t, os.Link(host+"/shadow", p+"/ab/shadow"), os.Chown(p, 101, 101), os.Chown(p+"/ab/own", 101, 101))
		want["ab/shadow"] = false
	}
	s, err := live(t, l, "prod")
	must(t, err)
	defer s.Close()
	h, err := l.Home("prod")
	must(t, err)
	defer h.Close()
	to, err := h.Make("odpm_x", 0o700, nil)
	must(t, err)
	defer to.Close()
	for name, good := range want {
		_, serr := s.Size(name)
		f, _, oerr := s.Open(name)
		if oerr == nil {
			f.Close()
		}
		terr := to.Take(s, name)
		_, left := to.Size(name)
		for _, err := range []error{serr, oerr, terr, left} {
			if (err == nil) != good {
				t.Errorf("%s: size %v, open %v, take %v, taken %v", name, serr, oerr, terr, left)
				break
			}
		}
	}
}

// TestDrop: a link and what it leads to stay, and that is an error; a directory
// that .env names stays, empty.
func TestDrop(t *testing.T) {
	l, host := newLayout(t)
	drop := func(database string) (bool, error) {
		h, err := l.Home(database)
		must(t, err)
		defer h.Close()
		return h.Drop(ctx)
	}
	if there, err := drop("prod"); !there || err != nil {
		t.Error(there, err)
	}
	if there, err := drop("prod"); there || err != nil {
		t.Error(there, err)
	}
	must(t, os.Symlink(host, l.Path("prod")))
	if there, err := drop("prod"); there || !IsLink(err) {
		t.Error(there, err)
	}
	must(t, os.WriteFile(l.Path("file"), nil, 0o600))
	if there, err := drop("file"); !there || err != nil {
		t.Error(there, err)
	}
	l.Databases = map[string]string{"prod": host}
	if there, err := drop("prod"); !there || err != nil {
		t.Error(there, err)
	}
	if left, err := os.ReadDir(host); len(left) != 0 || err != nil {
		t.Error(left, err)
	}
	must(t, os.Remove(host))
	if _, err := l.Home("prod"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "mount its disk") {
		t.Errorf("a named directory that is missing: %v", err)
	}
}

// TestLinkedOdoo: an Odoo on this machine must find by its link what .env names.
func TestLinkedOdoo(t *testing.T) {
	l, host := newLayout(t)
	l.Databases, l.Linked = map[string]string{"prod": host}, true
	_, err := l.Home("prod")
	if err == nil {
		t.Fatal("Odoo would use another directory")
	}
	_, command, _ := strings.Cut(err.Error(), "with Odoo stopped: ")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", command, err, out)
	}
	h, err := l.Home("prod")
	must(t, err)
	h.Close()
}

// TestSwappedWhileMade: somebody exchanges the directory that odpm has made for
// a link to the host's, at any moment. Nothing lands there, nothing there
// changes its owner, and the link is not put in the place of the file store.
func TestSwappedWhileMade(t *testing.T) {
	l, host := newLayout(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	root := l.Root()
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			entries, _ := os.ReadDir(root)
			for _, e := range entries {
				if !e.IsDir() {
					continue // the swapper itself follows nothing either
				}
				for _, at := range []string{e.Name() + "/ab", e.Name()} {
					if path := filepath.Join(root, at); strings.HasPrefix(e.Name(), "odpm_") && n%3 != 0 {
						if info, err := os.Lstat(path); err == nil && info.IsDir() {
							_ = os.Rename(path, filepath.Join(root, fmt.Sprintf("stolen%d", n)))
							_ = os.Symlink(host, path)
						}
					}
				}
			}
		}
	})
	h, err := l.Home("prod")
	must(t, err)
	defer h.Close()
	owner := &Owner{os.Getuid(), os.Getgid()}
	if os.Geteuid() == 0 {
		owner = &Owner{101, 101}
	}
	lost := 0
	// A swapper that gets no turn on a busy machine has lost nobody anything yet.
	begun := time.Now()
	for n := 0; n < 300 || lost < 20; n++ {
		if took := time.Since(begun); took > 3*time.Second && lost > 0 || took > 2*time.Minute {
			break
		}
		name := fmt.Sprintf("odpm_%016x", n)
		s, err := h.Make(name, 0o755, owner)
		if err != nil {
			lost++
			continue
		}
		err = s.MakeDir("ab/x")
		for i := range 5 {
			var f *os.File
			if f, err = s.Create(fmt.Sprintf("ab/f%d", i)); err == nil {
				f.Close()
			}
		}
		if err != nil {
			lost++
		}
		if h.Install(name, name+"_live", s) != nil {
			lost++
		}
		s.Close()
		// Among thousands of others the swapper would never come to the next one in time.
		_ = os.RemoveAll(filepath.Join(root, name+"_live"))
	}
	close(stop)
	wg.Wait()
	if lost == 0 {
		t.Error("nothing was ever swapped")
	}
	if left, err := os.ReadDir(host); err != nil || len(left) != 2 {
		t.Errorf("the host's directory: %v %v", left, err)
	}
	for _, path := range []string{host, host + "/ab", host + "/shadow"} {
		var st unix.Stat_t
		must(t, unix.Lstat(path, &st))
		if int(st.Uid) != os.Getuid() {
			t.Errorf("%s belongs to %d", path, st.Uid)
		}
	}
	if left, _ := os.ReadDir(host + "/ab"); len(left) != 0 {
		t.Error(left)
	}
}

// TestReopen opens what a journal notes although the live file store is missing,
// and never where the container could have put another directory.
func TestReopen(t *testing.T) {
	l, host := newLayout(t)
	big := filepath.Join(filepath.Dir(host), "big")
	must(t, os.MkdirAll(big, 0o755))
	l.Databases = map[string]string{"prod": big + "/prod"}
	h, err := l.Reopen("prod", big, "prod")
	must(t, err)
	h.Close()
	if _, err := l.Reopen("test", l.Path("test"), "x"); err == nil {
		t.Error("a directory of the container's was opened")
	}
	must(t, os.Rename(l.Root(), l.Root()+".real"), os.Symlink(host, l.Root()))
	if _, err := l.Reopen("test", l.Root(), "test"); !IsLink(err) {
		t.Error(err)
	}
}
