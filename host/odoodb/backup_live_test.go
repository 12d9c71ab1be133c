package odoodb

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// liveOdoo writes, deletes and collects attachments the way Odoo does
// (addons/base/models/ir_attachment.py): the file is written before the row
// commits, a deleted row's file stays until the collector, which takes
// ir_attachment IN SHARE MODE, finds that nobody names it.
type liveOdoo struct {
	s         *server.Server
	db        string
	written   int
	collected int
}

func (o *liveOdoo) write(ctx context.Context, c *pgx.Conn, rng *rand.Rand) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		// Odoo itself loses a file whose row is not yet inserted when the
		// collector comes; that is not what this test is about.
		if _, err := tx.Exec(ctx, `LOCK ir_attachment IN ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		for range 20 {
			content := fmt.Appendf(nil, "%d %d", rng.Uint64(), rng.Uint64())
			sum := fmt.Sprintf("%x", sha1.Sum(content))
			name := sum[:2] + "/" + sum
			path := filepath.Join(o.s.Files.Path(o.db), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				return err
			}
			o.written++
			if _, err := tx.Exec(ctx, `INSERT INTO ir_attachment (name, type, store_fname) VALUES ('live', 'binary', $1)`, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *liveOdoo) forget(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `DELETE FROM ir_attachment WHERE id IN (SELECT id FROM ir_attachment WHERE name = 'live' ORDER BY id LIMIT (SELECT greatest(count(*) - 100, 3) FROM ir_attachment WHERE name = 'live'))`)
	return err
}

func (o *liveOdoo) collect(ctx context.Context, c *pgx.Conn) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout TO '10s'`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `LOCK ir_attachment IN SHARE MODE`); err != nil {
			return err
		}
		names, _, err := verify.StoredFiles(ctx, tx.Conn())
		if err != nil {
			return err
		}
		named := map[string]bool{}
		for _, n := range names {
			named[n] = true
		}
		root := o.s.Files.Path(o.db)
		return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			if !named[rel] && filepath.Dir(filepath.Dir(rel)) != filestore.Checklist {
				o.collected++
				return os.Remove(path)
			}
			return nil
		})
	})
}

// TestBackupOfALiveDatabase: every archive must be complete in itself although
// attachments come and go and their files with them.
func TestBackupOfALiveDatabase(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	o := &liveOdoo{s: s, db: "db"}
	live, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	loop := func(seed uint64, step func(context.Context, *pgx.Conn, *rand.Rand) error) {
		wg.Go(func() {
			c, err := s.App(ctx, "db")
			if err != nil {
				t.Error(err)
				return
			}
			defer engine.Close(c)
			rng := rand.New(rand.NewPCG(seed, 7))
			for live.Err() == nil {
				if err := step(ctx, c, rng); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
			}
		})
	}
	loop(1, o.write)
	loop(2, func(ctx context.Context, c *pgx.Conn, _ *rand.Rand) error {
		time.Sleep(2 * time.Millisecond)
		return o.forget(ctx, c)
	})
	loop(3, func(ctx context.Context, c *pgx.Conn, _ *rand.Rand) error {
		// The table is locked while it collects, and writers get their turn.
		time.Sleep(5 * time.Millisecond)
		return o.collect(ctx, c)
	})
	defer func() { fault.At = func(string) {} }()
	fault.At = func(string) { time.Sleep(300 * time.Millisecond) } // many a file is collected meanwhile
	time.Sleep(300 * time.Millisecond)
	dir := t.TempDir()
	var last string
	for i := range 3 {
		last = fmt.Sprintf("%s/%d.zip", dir, i)
		res, err := backup.Run(ctx, s, backup.Options{Database: "db", File: last})
		if err != nil {
			t.Fatal(err)
		}
		v, err := verify.File(ctx, last, verify.Options{})
		if err != nil || len(v.Missing)+len(v.Damaged)+len(res.Missing) > 0 || v.Files != res.Files || v.Extra != 0 || v.Files < 20 {
			t.Errorf("%v %+v %+v", err, v, res)
		}
	}
	stop()
	wg.Wait()
	if o.written < 100 || o.collected < 20 {
		t.Errorf("nothing happened meanwhile: %d written, %d collected", o.written, o.collected)
	}
	if _, err := restore.Run(ctx, s, restore.Options{File: last, Database: "restored"}); err != nil {
		t.Error(err)
	}
	odoodbtest.NoLeftovers(t, s)
}

// TestBackupCopies: where files cannot be linked they are copied, to the
// backup's own directory.
func TestBackupCopies(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	// A file with as many names as a file system allows is one of those cases;
	// here somebody is in the way of the directory of links.
	dir := t.TempDir()
	defer func() { fault.At = func(string) {} }()
	fault.At = func(at string) {
		if at == "backup begun" {
			journals, err := backup.Journals(s.StateDir)
			if err != nil || len(journals) != 1 {
				t.Fatalf("%v %v", journals, err)
			}
			if err := os.WriteFile(journals[0].Links, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	res, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip"})
	if err != nil || res.Files != 9 || len(res.Warnings) != 1 {
		t.Fatalf("%v %+v", err, res)
	}
	if _, err := verify.File(ctx, dir+"/a.zip", verify.Options{}); err != nil {
		t.Error(err)
	}
	odoodbtest.OnlyArchive(t, s, dir, "a.zip")
}

// TestBackupAsAdministrator: what the application role may not read is no
// reason for a backup without it, nor for none.
func TestBackupAsAdministrator(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	for name, tc := range map[string]struct {
		hide []string
		ask  string
	}{
		"a table of another role": {[]string{`CREATE TABLE secret (x int)`, `INSERT INTO secret VALUES (42)`}, `SELECT x FROM secret`},
		"row security": {[]string{`CREATE TABLE own (x int)`, `ALTER TABLE own OWNER TO ` + quote.Ident(s.AppRole), `INSERT INTO own VALUES (42)`,
			`ALTER TABLE own ENABLE ROW LEVEL SECURITY`, `ALTER TABLE own FORCE ROW LEVEL SECURITY`, `CREATE POLICY none ON own USING (false)`}, ``},
		"a large object of another role": {[]string{`SELECT lo_from_bytea(4242, '\x2a')`}, `SELECT get_byte(lo_get(4242), 0)`},
	} {
		t.Run(name, func(t *testing.T) {
			odoodbtest.MustAdmin(t, s, "postgres", `DROP DATABASE IF EXISTS one WITH (FORCE)`, `CREATE DATABASE one TEMPLATE db OWNER `+quote.Ident(s.AppRole))
			odoodbtest.MustAdmin(t, s, "one", tc.hide...)
			file := filepath.Join(t.TempDir(), "a.zip")
			res, err := backup.Run(ctx, s, backup.Options{Database: "one", File: file})
			if err != nil || !strings.Contains(strings.Join(res.Warnings, "\n"), "so the dump is made as") {
				t.Fatalf("%v %+v", err, res)
			}
			if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back", AllowMissingFiles: true}); err != nil {
				t.Fatal(err)
			}
			if tc.ask == "" {
				odoodbtest.MustAdmin(t, s, "back", `ALTER TABLE own NO FORCE ROW LEVEL SECURITY`)
				tc.ask = `SELECT x FROM own`
			}
			if odoodbtest.Value[int](t, s, "back", tc.ask) != 42 {
				t.Error("it is not there")
			}
		})
	}
}

// TestBackupLongNames: an archive may have the longest name that a file can
// have, and one that is longer is refused before anything is made.
func TestBackupLongNames(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	dir := t.TempDir()
	name := strings.Repeat("n", 248) + "é.zip"
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: filepath.Join(dir, "n"+name)}); err != nil {
		t.Error(err)
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: filepath.Join(dir, "nnnn"+name)}); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("got %v", err)
	}
	odoodbtest.OnlyArchive(t, s, dir, "n"+name)
}

// TestRecoverWhatCannotBeRemoved: a killed backup's files on a disk that cannot
// be written any more stop nobody; they are removed when they can be.
func TestRecoverWhatCannotBeRemoved(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	dir := t.TempDir()
	if err := helper(s, t, "backup", dir+"/a.zip", "backup written").Run(); err == nil {
		t.Fatal("the helper was not killed")
	}
	parts, _ := filepath.Glob(dir + "/*.part")
	if len(parts) != 1 {
		t.Fatalf("%q", parts)
	}
	// What somebody else has put in its place is not removed.
	if err := errors.Join(os.Remove(parts[0]), os.MkdirAll(parts[0]+"/x", 0o755)); err != nil {
		t.Fatal(err)
	}
	if done, err := Recover(ctx, s, nil); !backup.IsLeftBehind(err) || len(done) > 0 {
		t.Errorf("%v %v", done, err)
	}
	if err := os.RemoveAll(parts[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(ctx, s, nil); err != nil {
		t.Error(err)
	}
	odoodbtest.OnlyArchive(t, s, dir)
}

// TestBackupKilled: what a killed backup leaves, Recover removes; what a
// running one has, it leaves alone.
func TestBackupKilled(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	dir := t.TempDir()
	defer func() { fault.At = func(string) {} }()
	fault.At = func(at string) {
		if at == "backup written" {
			if _, err := Recover(ctx, s, nil); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip"}); err != nil {
		t.Error(err)
	}
	fault.At = func(string) {}
	child := helper(s, t, "backup", dir+"/b.zip", "backup written")
	if err := child.Run(); err == nil {
		t.Error("the helper was not killed")
	}
	left, err := LeftOvers(ctx, s)
	if err != nil || len(left) != 1 || left[0].Journal == "" || left[0].For != "db" {
		t.Errorf("%v %+v", err, left)
	}
	parts, _ := filepath.Glob(dir + "/*.part")
	if len(parts) != 1 || odoodbtest.Present(dir+"/b.zip") {
		t.Errorf("the kill left %q", parts)
	}
	if _, err := Recover(ctx, s, nil); err != nil {
		t.Error(err)
	}
	odoodbtest.OnlyArchive(t, s, dir, "a.zip")
}
