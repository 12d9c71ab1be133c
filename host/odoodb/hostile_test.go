package odoodb

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// hostDir is a directory of the host's with something secret in it.
func hostDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "host")
	if err := errors.Join(os.MkdirAll(dir+"/db/ab", 0o755), os.WriteFile(dir+"/shadow", []byte("s3cret"), 0o600), os.WriteFile(dir+"/db/ab/x", []byte("theirs"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// untouchedDir fails a test in which something changed there: another name for
// a file, another owner, another file.
func untouchedDir(t *testing.T, dir string) func() {
	t.Helper()
	look := func() string {
		var b strings.Builder
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			var st unix.Stat_t
			if err == nil {
				err = unix.Lstat(path, &st)
			}
			fmt.Fprintln(&b, path, st.Mode, st.Uid, st.Nlink, st.Ino)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return b.String()
	}
	before := look()
	return func() {
		t.Helper()
		if now := look(); now != before {
			t.Errorf("the host's directory was\n%sand is\n%s", before, now)
		}
	}
}

// TestLinkedFilestore: Odoo's container puts a link in the place of a database's
// file store, or of all of them. No command reads, links, replaces or removes
// what it leads to; a drop does not begin.
func TestLinkedFilestore(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	good := filepath.Join(t.TempDir(), "good.zip")
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: good}); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustApp(t, s, "db", `INSERT INTO ir_attachment (name, type, store_fname) VALUES ('x', 'binary', 'shadow')`)
	host := hostDir(t)
	check := untouchedDir(t, host)
	for name, swap := range map[string]struct{ link, target string }{
		"one file store":       {s.Files.Path("db"), host},
		"the directory of all": {s.Files.Root(), host},
	} {
		t.Run(name, func(t *testing.T) {
			if err := errors.Join(os.Rename(swap.link, swap.link+".real"), os.Symlink(swap.target, swap.link)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := errors.Join(os.Remove(swap.link), os.Rename(swap.link+".real", swap.link)); err != nil {
					t.Fatal(err)
				}
			}()
			refused := func(what string, err error) {
				t.Helper()
				if !filestore.IsLink(err) || !strings.Contains(err.Error(), "ODOO_FILESTORE_DIR") {
					t.Errorf("%s: %v", what, err)
				}
			}
			dir := t.TempDir()
			_, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip"})
			refused("backup", err)
			_, err = restore.Run(ctx, s, restore.Options{File: good, Database: "db"})
			refused("restore", err)
			_, err = restore.Run(ctx, s, restore.Options{File: "testdata/o18.dump", Database: "db"})
			refused("restore of a dump", err)
			_, err = drop.Database(ctx, s, "db")
			refused("drop", err)
			if !odoodbtest.Value[bool](t, s, server.Maintenance, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'db')`) {
				t.Error("the database is gone")
			}
			all, err := List(ctx, s)
			for _, d := range all {
				if d.Name == "db" && (d.FilestoreState != FilestoreUnknown || !strings.Contains(d.FilestoreReason, swap.link+" is a symbolic link")) {
					t.Errorf("listed as %+v", d)
				}
			}
			if _, lerr := LeftOvers(ctx, s); err != nil || (lerr == nil) != (swap.link == s.Files.Path("db")) {
				t.Errorf("%v %v", err, lerr)
			}
			check()
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Error(left)
			}
		})
	}
	if rep, err := drop.Database(ctx, s, "db"); err != nil || rep.Filestore != s.Files.Path("db") {
		t.Errorf("%+v %v", rep, err)
	}
	odoodbtest.NoLeftovers(t, s)
}

// TestBackupLeavesOut: what is in a file store and no file of Odoo's is left
// out of a backup, which says so, and nothing of it waits.
func TestBackupLeavesOut(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	host := hostDir(t)
	check := untouchedDir(t, host)
	store := s.Files.Path("db")
	if err := errors.Join(os.Symlink(host+"/shadow", store+"/shadow"), unix.Mkfifo(store+"/pipe", 0o666), os.Symlink(host+"/db", store+"/zz")); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustApp(t, s, "db", `INSERT INTO ir_attachment (name, type, store_fname) SELECT 'x', 'binary', unnest(ARRAY['shadow', 'pipe', 'zz/ab/x', 'none', '../db2/x', repeat('n', 300)])`)
	for _, all := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "a.zip")
		res, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file, AllFiles: all})
		warned := strings.Join(res.Warnings, "\n")
		if err != nil || res.Files < 9 || len(res.Missing) != 3 || !strings.Contains(warned, "3 files are left out") || !strings.Contains(warned, "symbolic link") || !strings.Contains(warned, "a pipe") {
			t.Errorf("%v %+v", err, res)
		}
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			if strings.Contains(f.Name, "shadow") || strings.Contains(f.Name, "zz") {
				t.Errorf("%s is in the archive", f.Name)
			}
		}
		z.Close()
	}
	check()
	odoodbtest.NoLeftovers(t, s)
}

// TestRestoreBesideASwapper: Odoo's container exchanges every directory that a
// restore makes for a link to the host's, as soon as it sees it.
func TestRestoreBesideASwapper(t *testing.T) {
	s := odoodbtest.NewServer(t)
	small, _ := smallArchive(t, s)
	oldDatabase(t, s)
	host := hostDir(t)
	check := untouchedDir(t, host)
	if os.Geteuid() == 0 { // so that a chown would be one
		if err := errors.Join(os.Chown(s.Files.DataDir, 101, 101), os.Chown(s.Files.Root(), 101, 101)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	swapped, deep := 0, false
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
			entries, _ := os.ReadDir(s.Files.Root())
			for _, e := range entries {
				// The replaced file store is the container's own to spoil.
				if !strings.HasPrefix(e.Name(), server.HiddenPrefix) || !e.IsDir() || strings.HasSuffix(e.Name(), "_old") {
					continue
				}
				path := filepath.Join(s.Files.Root(), e.Name())
				mu.Lock()
				inside := deep
				mu.Unlock()
				if inside { // a directory in it instead
					shards, _ := os.ReadDir(path)
					if len(shards) == 0 {
						continue
					}
					path = filepath.Join(path, shards[len(shards)-1].Name())
					if !shards[len(shards)-1].IsDir() {
						continue
					}
				}
				if os.Rename(path, filepath.Join(filepath.Dir(s.Files.Root()), fmt.Sprintf("stolen%d", n))) == nil && os.Symlink(host, path) == nil {
					mu.Lock()
					swapped++
					mu.Unlock()
				}
			}
		}
	})
	before := odoodbtest.Value[int](t, s, server.Maintenance, `SELECT oid::int FROM pg_database WHERE datname = 'db'`)
	for n := range 6 {
		mu.Lock()
		deep = n%2 == 1
		mu.Unlock()
		_, err := restore.Run(ctx, s, restore.Options{File: small, Database: "db"})
		if err == nil && odoodbtest.Value[int](t, s, server.Maintenance, `SELECT oid::int FROM pg_database WHERE datname = 'db'`) == before {
			t.Error("a restore that did nothing is no error")
		}
		if err != nil {
			if _, err := Recover(ctx, s, nil); err != nil {
				t.Error(err)
			}
		}
		if target, err := os.Readlink(s.Files.Path("db")); err == nil {
			t.Errorf("the file store is a link to %s by now", target)
		}
	}
	close(stop)
	wg.Wait()
	if swapped == 0 {
		t.Error("nothing was swapped")
	}
	check()
}

// TestNamedFilestore: a database's file store is a directory on another disk
// that .env names. Every command uses exactly that one, and never what is in
// its place in data_dir.
func TestNamedFilestore(t *testing.T) {
	s := odoodbtest.NewServer(t)
	oldDatabase(t, s)
	big := filepath.Join(t.TempDir(), "a big disk")
	link := s.Files.Path("db")
	if err := errors.Join(os.Mkdir(big, 0o755), os.Rename(link, big+"/db files"), os.Symlink(big+"/db files", link)); err != nil {
		t.Fatal(err)
	}
	s.Files.Databases = map[string]string{"db": big + "/db files"}
	only := func(dir string, names ...string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if err != nil || strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("%s has %q, want %q (%v)", dir, got, names, err)
		}
	}
	files := func(want int64) {
		t.Helper()
		all, err := List(ctx, s)
		for _, d := range all {
			if d.Name == "db" && (d.Files != want || d.Filestore != big+"/db files") {
				t.Errorf("%+v", d)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	files(1)
	dir := t.TempDir()
	res, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip"})
	if err != nil || res.Files != 1 || len(res.Warnings) > 0 {
		t.Errorf("%v %+v", err, res)
	}
	// A restore replaces it, also after a kill at any station.
	old := whole(t, s, "db")
	for _, at := range []string{"filled", "files half", "files moved"} {
		if err := helper(s, t, "restore", "testdata/o18.zip", at).Run(); err == nil {
			t.Fatalf("%s: the helper was not killed", at)
		}
		done, err := Recover(ctx, s, nil)
		if err != nil || len(done) != 1 {
			t.Fatalf("%s: %v %v", at, done, err)
		}
		only(big, "db files")
		odoodbtest.NoLeftovers(t, s)
		if !done[0].Completed {
			if whole(t, s, "db") != old {
				t.Errorf("%s: the database is not as it was", at)
			}
			continue
		}
		files(9)
		if _, err := restore.Run(ctx, s, restore.Options{File: dir + "/a.zip", Database: "db"}); err != nil {
			t.Fatal(err)
		}
		old = whole(t, s, "db")
		files(1)
	}
	if err := helper(s, t, "backup", dir+"/b.zip", "backup written").Run(); err == nil {
		t.Error("the helper was not killed")
	}
	if _, err := Recover(ctx, s, nil); err != nil {
		t.Error(err)
	}
	only(big, "db files")
	// What is kept is kept beside it, and the report says how Odoo finds it.
	rep, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db", KeepOld: true})
	if err != nil || !strings.Contains(strings.Join(rep.Warnings, "\n"), "ODOO_FILESTORE_DIRS='\"db=") {
		t.Fatalf("%v %+v", err, rep)
	}
	only(big, "db files", rep.Kept)
	files(9)
	// A drop empties it; the directory stays for the next database of the name.
	dropped, err := drop.Database(ctx, s, "db")
	if err != nil || dropped.Filestore != big+"/db files" {
		t.Errorf("%v %+v", err, dropped)
	}
	only(dropped.Filestore)
	if _, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db"}); err != nil {
		t.Error(err)
	}
	only(big, "db files", rep.Kept)
	files(9)
	if target, err := os.Readlink(link); err != nil || target != big+"/db files" {
		t.Errorf("the link is %q: %v", target, err)
	}
	// The disk is not mounted: nothing is taken for an empty file store.
	if err := os.Rename(big, big+" away"); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"backup": func() error {
			_, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/c.zip"})
			return err
		},
		"restore": func() error {
			_, err := restore.Run(ctx, s, restore.Options{File: dir + "/a.zip", Database: "db"})
			return err
		},
		"drop": func() error { _, err := drop.Database(ctx, s, "db"); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "mount its disk") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
