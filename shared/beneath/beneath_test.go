package beneath

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var ctx = context.Background()

// place is a directory with "in" (the tenant's, opened) and "out" beside it.
func place(t *testing.T) (d *Dir, in, out string) {
	t.Helper()
	base := t.TempDir()
	in, out = filepath.Join(base, "in"), filepath.Join(base, "out")
	must(t, os.Mkdir(in, 0o755), os.Mkdir(out, 0o755), os.WriteFile(out+"/secret", []byte("s3cret"), 0o600))
	d, err := Open(in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, in, out
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// within fails a test that hangs, in words.
func within(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

// TestNoLinkIsFollowed: not to the outside, not to a neighbour, not as the last
// component nor before it, and the error says which link it was.
func TestNoLinkIsFollowed(t *testing.T) {
	d, in, out := place(t)
	must(t, os.MkdirAll(in+"/real/sub", 0o755), os.WriteFile(in+"/real/file", []byte("x"), 0o644),
		os.Symlink(out, in+"/away"), os.Symlink("real", in+"/near"), os.Symlink(out+"/secret", in+"/real/link"), os.Symlink("nowhere", in+"/dangling"))
	other, err := d.OpenDir("real")
	must(t, err)
	defer other.Close()
	for name, do := range map[string]func(name string) error{
		"OpenDir":     func(n string) error { _, err := d.OpenDir(n); return err },
		"OpenRegular": func(n string) error { _, _, err := d.OpenRegular(n); return err },
		"ReadFile":    func(n string) error { _, err := d.ReadFile(n, 100); return err },
		"below":       func(n string) error { _, err := d.ReadFile(n+"/file", 100); return err },
		"Create":      func(n string) error { _, err := d.Create(n+"/new", 0o644); return err },
		"Mkdir":       func(n string) error { _, err := d.Mkdir(n+"/new", 0o755); return err },
		"MkdirAll":    func(n string) error { _, err := d.MkdirAll(n+"/a/b", 0o755, nil); return err },
		"WriteFile":   func(n string) error { return d.WriteFile(n+"/new", nil, 0o644, -1, -1) },
		"Lstat":       func(n string) error { _, err := d.Lstat(n + "/file"); return err },
		"Link":        func(n string) error { return d.Link(n+"/file", other, "new") },
		"Link to":     func(n string) error { return other.Link("file", d, n+"/new") },
		"Rename":      func(n string) error { return d.Rename(n+"/file", other, "new") },
		"Rename to":   func(n string) error { return other.Rename("file", d, n+"/new") },
		"Remove":      func(n string) error { return d.Remove(n + "/file") },
		"RemoveAll":   func(n string) error { return d.RemoveAll(ctx, n+"/file") },
	} {
		for _, link := range []string{"away", "near", "dangling", "real/link"} {
			var e *LinkError
			if err := do(link); !errors.As(err, &e) || e.Path != filepath.Join(in, link) || e.Target == "" {
				t.Errorf("%s %s: %v", name, link, err)
			}
		}
		for _, bad := range []string{"..", "../out", "real/../../out", "/etc"} {
			if err := do(bad); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %s: %v", name, bad, err)
			}
		}
	}
	if left, _ := os.ReadDir(out); len(left) != 1 {
		t.Errorf("outside: %v", left)
	}
	if left, _ := os.ReadDir(in + "/real"); len(left) != 3 {
		t.Errorf("the neighbour: %v", left)
	}
}

func TestStepwiseIsTheSame(t *testing.T) {
	d, in, out := place(t)
	must(t, os.MkdirAll(in+"/a/b", 0o755), os.WriteFile(in+"/a/b/f", []byte("x"), 0o644), os.Symlink(out, in+"/a/l"), os.Symlink("f", in+"/a/b/l"))
	for name, want := range map[string]bool{"a/b/f": true, "a/l/secret": false, "a/b/l": false, "a/b/none": false, "a/b/f/x": false} {
		fd, err := openStepwise(d.fd(), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
}

// TestKinds: what is no regular file is neither read nor waited for.
func TestKinds(t *testing.T) {
	d, in, _ := place(t)
	must(t, os.Mkdir(in+"/directory", 0o755), unix.Mkfifo(in+"/pipe", 0o666), os.WriteFile(in+"/file", []byte("12345"), 0o644))
	l, err := net.Listen("unix", in+"/socket")
	must(t, err)
	defer l.Close()
	want := map[string]string{"directory": "a directory", "pipe": "a pipe", "socket": "a socket"}
	if os.Geteuid() == 0 && unix.Mknod(in+"/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) == nil {
		want["device"] = "a device"
	}
	within(t, func() {
		for name, words := range want {
			var e *KindError
			if _, _, err := d.OpenRegular(name); !errors.As(err, &e) || !strings.Contains(err.Error(), " is "+words+", not a regular file") {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := d.OpenDir(name); (err == nil) != (name == "directory") {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := d.OpenDir(name + "/x"); err == nil {
				t.Errorf("%s has a directory in it", name)
			}
		}
	})
	if b, err := d.ReadFile("file", 5); err != nil || string(b) != "12345" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := d.ReadFile("file", 4); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := d.ReadFile("none", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	info, err := d.Lstat("file")
	must(t, err)
	if info.Links != 1 || info.Size != 5 || info.UID != os.Geteuid() || !info.Mode.IsRegular() {
		t.Errorf("%+v", info)
	}
}

func TestWriting(t *testing.T) {
	d, in, out := place(t)
	var made []string
	sub, err := d.MkdirAll("a/b/c", 0o755, func(n *Dir) error { made = append(made, n.Path()); return nil })
	must(t, err)
	defer sub.Close()
	if len(made) != 3 || made[2] != in+"/a/b/c" {
		t.Error(made)
	}
	again, err := d.MkdirAll("a/b/c", 0o755, func(n *Dir) error { return errors.New("made again") })
	must(t, err)
	again.Close()
	if _, err := d.Mkdir("a", 0o755); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	// The link is replaced, and what it points to is as it was.
	must(t, os.Symlink(out+"/secret", in+"/state"), d.WriteFile("state", []byte("new"), 0o640, -1, -1))
	if b, _ := os.ReadFile(out + "/secret"); string(b) != "s3cret" {
		t.Errorf("the link was followed: %q", b)
	}
	if info, err := os.Lstat(in + "/state"); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := d.Create("state", 0o644); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := d.Rename("state", d, "a"); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	must(t, d.Link("state", sub, "same"), d.Rename("state", d, "moved"))
	if info, err := sub.Lstat("same"); err != nil || info.Links != 2 {
		t.Errorf("%+v %v", info, err)
	}
	if left, _ := filepath.Glob(in + "/.*"); len(left) > 0 {
		t.Error(left)
	}
}

// TestRemoveAll: however deep, however many, and nothing that a link points to.
func TestRemoveAll(t *testing.T) {
	d, in, out := place(t)
	must(t, os.MkdirAll(in+"/tree/many", 0o755), os.Symlink(out, in+"/tree/away"), unix.Mkfifo(in+"/tree/pipe", 0o600))
	for i := range 3 * batch {
		must(t, os.WriteFile(in+"/tree/many/"+strings.Repeat("n", i%200+1)+"-"+token(), nil, 0o644))
	}
	at, err := d.OpenDir("tree")
	must(t, err)
	for range 1500 { // more than there may usually be descriptors
		next, err := at.Mkdir("deep", 0o755)
		must(t, err)
		at.Close()
		at = next
	}
	at.Close()
	var e *fs.PathError
	top, err := d.OpenDir("tree")
	must(t, err)
	defer top.Close()
	if err := top.Walk(64, nil, func(string, Info) error { return nil }); !errors.As(err, &e) {
		t.Errorf("walking 1500 levels: %v", err)
	}
	must(t, d.RemoveAll(ctx, "tree"), d.RemoveAll(ctx, "tree"))
	if left, _ := os.ReadDir(in); len(left) != 0 {
		t.Error(left)
	}
	must(t, os.Symlink(out, in+"/l"), d.RemoveAll(ctx, "l"))
	if b, err := os.ReadFile(out + "/secret"); err != nil || !bytes.Equal(b, []byte("s3cret")) {
		t.Error(err)
	}
}

// TestRemoveAllBesideAWriter ends, one way or the other.
func TestRemoveAllBesideAWriter(t *testing.T) {
	d, in, _ := place(t)
	must(t, os.Mkdir(in+"/tree", 0o755))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Mkdir(in+"/tree/x", 0o755)
				_ = os.WriteFile(in+"/tree/x/y", nil, 0o644)
			}
		}
	})
	within(t, func() {
		for range 20 {
			_ = d.RemoveAll(ctx, "tree")
			_ = os.Mkdir(in+"/tree", 0o755)
		}
	})
	close(stop)
	wg.Wait()
	must(t, d.RemoveAll(ctx, "tree"))
}

// TestRace swaps a directory for a link to the outside and back as fast as it
// can while everything is done below it.
func TestRace(t *testing.T) {
	d, in, out := place(t)
	must(t, os.Mkdir(in+"/d", 0o755), os.Symlink(out, in+"/link"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, in+"/d", unix.AT_FDCWD, in+"/link", unix.RENAME_EXCHANGE)
			}
		}
	})
	refused, done := 0, 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && (refused < 50 || done < 50); {
		n := "d/" + token()
		f, err := d.Create(n, 0o644)
		if err == nil {
			_ = f.Chown(os.Getuid(), os.Getgid())
			f.Close()
		}
		sub, serr := d.MkdirAll("d/sub", 0o755, func(s *Dir) error { return s.Chmod(0o700) })
		if serr == nil {
			sub.Close()
		}
		_, rerr := d.ReadFile("d/secret", 100)
		_ = d.RemoveAll(ctx, "d/sub")
		if err != nil || serr != nil {
			refused++
		} else {
			done++
		}
		if rerr == nil {
			t.Fatal("a file outside was read")
		}
	}
	close(stop)
	wg.Wait()
	if left, _ := os.ReadDir(out); len(left) != 1 {
		t.Errorf("outside: %v", left)
	}
	if refused == 0 || done == 0 {
		t.Errorf("the swapper won %d times, we %d times", refused, done)
	}
}

// TestPublishRenamed: where a file cannot be linked by its descriptor it is
// renamed, and nothing is replaced either; another file in its place is told.
func TestPublishRenamed(t *testing.T) {
	d, in, _ := place(t)
	f, err := d.Create("part", 0o600)
	must(t, err)
	defer f.Close()
	made, err := Stat(f)
	must(t, err, os.WriteFile(in+"/taken", []byte("x"), 0o600))
	if err := d.publishRenamed(made, "part", "taken"); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	must(t, d.publishRenamed(made, "part", "name"), os.Rename(in+"/taken", in+"/part"))
	if err := d.publishRenamed(made, "part", "other"); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
}
