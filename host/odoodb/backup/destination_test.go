package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
)

// planted are things that somebody who may write there puts in a file's place;
// each leads to secret or keeps whoever opens it.
func planted(secret string) map[string]func(path string) error {
	return map[string]func(string) error{
		"link":          func(p string) error { return os.Symlink(secret, p) },
		"dangling link": func(p string) error { return os.Symlink(secret+"-new", p) },
		"hard link":     func(p string) error { return os.Link(secret, p) },
		"pipe":          func(p string) error { return unix.Mkfifo(p, 0o666) },
		"directory":     func(p string) error { return os.Mkdir(p, 0o777) },
		"file":          func(p string) error { return os.WriteFile(p, []byte("somebody's"), 0o666) },
	}
}

// unfinished is a directory of backups with an archive in it that is written.
func unfinished(t *testing.T) (d *destination, dir, secret string) {
	t.Helper()
	base := t.TempDir()
	dir, secret = filepath.Join(base, "backups"), filepath.Join(base, "secret")
	d, err := openDestination(dir + "/a.zip")
	if err == nil {
		err = errors.Join(os.WriteFile(secret, []byte("s3cret"), 0o600), d.make(partName(dir+"/a.zip", "0123456789abcdef")))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	if _, err := d.file.WriteString("the archive"); err != nil {
		t.Fatal(err)
	}
	return d, dir, secret
}

func untouchedSecret(t *testing.T, secret string) {
	t.Helper()
	if b, err := os.ReadFile(secret); err != nil || string(b) != "s3cret" || odoodbtest.Present(secret+"-new") {
		t.Errorf("a link was followed: %q %v", b, err)
	}
}

// TestPlantedArchive: what has the archive's name before it or while it is
// written is neither followed nor replaced.
func TestPlantedArchive(t *testing.T) {
	for kind := range planted("") {
		t.Run(kind, func(t *testing.T) {
			d, dir, secret := unfinished(t)
			if err := planted(secret)[kind](dir + "/a.zip"); err != nil {
				t.Fatal(err)
			}
			was, _ := os.Lstat(dir + "/a.zip")
			if err := d.publish(); !IsFileExists(err) {
				t.Errorf("publish: %v", err)
			}
			if err := d.discard(t.Context(), "odpm_0123456789abcdef"); err != nil || odoodbtest.Present(filepath.Join(dir, d.part)) {
				t.Errorf("discard: %v", err)
			}
			if _, err := openDestination(dir + "/a.zip"); !IsFileExists(err) {
				t.Errorf("open: %v", err)
			}
			if is, err := os.Lstat(dir + "/a.zip"); err != nil || !os.SameFile(was, is) {
				t.Errorf("%v %v", is, err)
			}
			untouchedSecret(t, secret)
		})
	}
}

// TestPlantedPart: what is put in the unfinished archive's place is not
// verified, not published and not removed; the file that was written is.
func TestPlantedPart(t *testing.T) {
	for kind := range planted("") {
		t.Run(kind, func(t *testing.T) {
			d, dir, secret := unfinished(t)
			part := filepath.Join(dir, d.part)
			if err := errors.Join(os.Remove(part), planted(secret)[kind](part)); err != nil {
				t.Fatal(err)
			}
			was, _ := os.Lstat(part)
			if a, err := d.written(); err == nil {
				a.Close()
				t.Error("it was read")
			}
			made, err := d.file.Stat()
			if err != nil {
				t.Fatal(err)
			}
			// Without another name a file cannot get one any more.
			if err := d.publish(); err == nil {
				if is, err := os.Lstat(dir + "/a.zip"); err != nil || !os.SameFile(made, is) {
					t.Errorf("something else was published: %v %v", is, err)
				}
			}
			if err := d.discard(t.Context(), "odpm_0123456789abcdef"); err == nil || !strings.Contains(err.Error(), "it was left alone") {
				t.Errorf("discard: %v", err)
			}
			if is, err := os.Lstat(part); err != nil || !os.SameFile(was, is) {
				t.Errorf("%v %v", is, err)
			}
			again, err := openDestination(dir + "/b.zip")
			if err != nil {
				t.Fatal(err)
			}
			defer again.close()
			if err := again.make(part); !errors.Is(err, fs.ErrExist) {
				t.Errorf("make: %v", err)
			}
			untouchedSecret(t, secret)
		})
	}
}

// TestPublishMovedAway: the file that was written gets the name, wherever
// somebody has moved it to meanwhile.
func TestPublishMovedAway(t *testing.T) {
	d, dir, _ := unfinished(t)
	part := filepath.Join(dir, d.part)
	if err := errors.Join(os.Rename(part, dir+"/moved"), os.WriteFile(part, []byte("another"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := d.publish(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(dir + "/a.zip"); err != nil || string(b) != "the archive" {
		t.Errorf("%q %v", b, err)
	}
}

// TestPlantedDeadPart: clean-up after a killed backup removes its own file and
// nothing that has the name by now.
func TestPlantedDeadPart(t *testing.T) {
	const id = "0123456789abcdef"
	dead := func(t *testing.T, dir string) (*server.Server, string) {
		s := &server.Server{StateDir: t.TempDir()}
		s.Files.DataDir = t.TempDir()
		j := Journal{
			Database: "db", Part: partName(dir+"/a.zip", id), Archive: dir + "/a.zip",
			Links: filepath.Join(s.Files.DataDir, "filestore", server.HiddenPrefix+id), Copies: filepath.Join(dir, server.HiddenPrefix+id),
		}
		if err := j.begin(s.StateDir, id); err != nil {
			t.Fatal(err)
		}
		// What the killed process does not have any more.
		if err := errors.Join(j.lock.Close(), os.WriteFile(j.Part, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
		return s, j.Part
	}
	removed := func(s *server.Server, part string) error {
		all, err := Journals(s.StateDir)
		if err != nil || len(all) != 1 {
			return errors.Join(err, errors.New("no journal"))
		}
		return all[0].end(context.Background())
	}
	t.Run("its own", func(t *testing.T) {
		dir := t.TempDir()
		s, part := dead(t, dir)
		// Killed between the new name and the end of the old one.
		if err := os.Link(part, dir+"/a.zip"); err != nil {
			t.Fatal(err)
		}
		if err := removed(s, part); err != nil || odoodbtest.Present(part) || !odoodbtest.Present(dir+"/a.zip") {
			t.Error(err)
		}
	})
	kinds := planted("")
	delete(kinds, "file") // whoever is the same user may as well remove it
	if os.Geteuid() == 0 {
		kinds["another's"] = nil
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			base := t.TempDir()
			secret := base + "/secret"
			plant := planted(secret)[kind]
			if plant == nil {
				plant = func(p string) error {
					return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 12345, 12345))
				}
			}
			dir := base + "/backups"
			if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(secret, []byte("s3cret"), 0o600)); err != nil {
				t.Fatal(err)
			}
			s, part := dead(t, dir)
			if err := errors.Join(os.Remove(part), plant(part)); err != nil {
				t.Fatal(err)
			}
			if err := removed(s, part); err == nil || !strings.Contains(err.Error(), "it was left alone") {
				t.Error(err)
			}
			if _, err := os.Lstat(part); err != nil {
				t.Error(err)
			}
			untouchedSecret(t, secret)
			if all, _ := Journals(s.StateDir); len(all) != 1 {
				t.Error("the journal is gone")
			}
		})
	}
}
