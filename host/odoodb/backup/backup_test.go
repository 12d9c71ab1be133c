package backup_test

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
)

func TestBackupRoundTrip(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for i, db := range []string{`Kunde "A" ü $1 %s`, `a=b host=x it's \ "q"`, "-d", strings.Repeat("n", 63)} {
		t.Run(db, func(t *testing.T) {
			if _, err := restore.Run(ctx, s, restore.Options{File: "../testdata/o18.zip", Database: db}); err != nil {
				t.Fatal(err)
			}
			back := fmt.Sprintf("back %d", i)
			rows, schema, files := odoodbtest.RowCounts(t, s, db), odoodbtest.SchemaOf(t, s, db), odoodbtest.AttachmentSums(t, s, db)
			for _, format := range []archive.Format{archive.Zip, archive.Dump} {
				if format == archive.Dump && i > 1 {
					continue
				}
				dir := filepath.Join(t.TempDir(), "new", "backups")
				file := filepath.Join(dir, backup.DefaultFile("x", format, fixedTime))
				var mu sync.Mutex
				finished := map[progress.Phase]bool{}
				res, err := backup.Run(ctx, s, backup.Options{Database: db, File: file, Format: format, OdooVersion: "18.0", Progress: func(e progress.Event) {
					mu.Lock()
					finished[e.Phase] = finished[e.Phase] || e.Finished && e.Done == e.Total && e.Done > 0
					mu.Unlock()
				}})
				if err != nil {
					t.Fatal(err)
				}
				st, err := os.Stat(file)
				if err != nil || st.Size() != res.Bytes || res.Path != file || st.Mode().Perm() != 0o600 || len(res.Missing) > 0 {
					t.Errorf("%v, %v, %+v", err, st, res)
				}
				odoodbtest.OnlyArchive(t, s, dir, filepath.Base(file))
				wantFiles := 9
				if format == archive.Dump {
					wantFiles = 0
				}
				if res.Files != wantFiles || res.OdooVersion != "18.0" || !finished[progress.PhaseDump] || finished[progress.PhaseFilestore] != (wantFiles > 0) {
					t.Errorf("%+v %v", res, finished)
				}
				if v, err := verify.File(ctx, file, verify.Options{}); err != nil || v.Database != db || v.Modules != 12 || v.Files != 9 || v.Extra != 0 {
					t.Errorf("verify: %v %+v", err, v)
				}
				rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: back, OdooMajor: 18})
				if err != nil {
					t.Fatal(err)
				}
				if odoodbtest.RowCounts(t, s, back) != rows {
					t.Error("rows differ after the round trip")
				}
				if odoodbtest.SchemaOf(t, s, back) != schema {
					t.Error("the schema differs after the round trip")
				}
				if rep.Missing != 0 || odoodbtest.AttachmentSums(t, s, back) != files {
					t.Errorf("the file store differs after the round trip: %+v", rep)
				}
			}
		})
	}
}

// TestBackupIsOdoos compares an archive with the one that a real Odoo wrote
// of the same database, and lets Python read it as Odoo does.
func TestBackupIsOdoos(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "o18")
	dir := t.TempDir()
	file := filepath.Join(dir, "all.zip")
	res, err := backup.Run(ctx, s, backup.Options{Database: "o18", File: file, AllFiles: true})
	if err != nil || res.Files != 18 {
		t.Fatal(res, err)
	}
	list := func(path string) (names []string) {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			names = append(names, f.Name)
		}
		if names[0] != "dump.sql" || names[1] != "manifest.json" {
			t.Errorf("%s begins with %q", path, names[:2])
		}
		slices.Sort(names)
		return names
	}
	if got, want := list(file), list("../testdata/o18.zip"); !slices.Equal(got, want) {
		t.Errorf("got %q, Odoo has %q", got, want)
	}
	manifest := func(path string) string {
		a, err := archive.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, _ := json.Marshal(a.Manifest)
		return string(b)
	}
	if got, want := manifest(file), manifest("../testdata/o18.zip"); got != want {
		t.Errorf("manifest:\n got %s\nOdoo %s", got, want)
	}
	out, err := exec.Command("python3", "-c", `
import sys, json, zipfile, hashlib
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
m = json.load(z.open("manifest.json"))
assert list(m) == ["odoo_dump", "db_name", "version", "version_info", "major_version", "pg_version", "modules"], list(m)
for n in z.namelist():
    if n.startswith("filestore/") and "checklist" not in n:
        assert hashlib.sha1(z.read(n)).hexdigest() == n.split("/")[-1], n
    i = z.getinfo(n)
    assert i.date_time[0] > 2000 and (i.external_attr >> 16) & 0o777 == 0o644, i
`, file).CombinedOutput()
	if err != nil {
		t.Errorf("python: %v\n%s", err, out)
	}
	if out, err := exec.Command("unzip", "-tqq", file).CombinedOutput(); err != nil {
		t.Errorf("unzip: %v\n%s", err, out)
	}
}

func TestBackupRefusals(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	for _, db := range []string{"leer", "zu"} {
		if err := create.Empty(ctx, s, db, create.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE zu ALLOW_CONNECTIONS false`)
	dir := t.TempDir()
	there := filepath.Join(dir, "there.zip")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    backup.Options
		want string
		is   func(error) bool
	}{
		"exists":  {backup.Options{Database: "db", File: there}, "not overwritten", backup.IsFileExists},
		"missing": {backup.Options{Database: "nix", File: dir + "/x.zip"}, "does not exist", server.IsMissing},
		"no odoo": {backup.Options{Database: "leer", File: dir + "/x.zip"}, "--backup-format dump", tables.IsNotOdoo},
		"closed":  {backup.Options{Database: "zu", File: dir + "/x.zip"}, "ALLOW_CONNECTIONS true", nil},
		"format":  {backup.Options{Database: "db", File: dir + "/x.zip", Format: "tar"}, "unknown backup format", nil},
		"no dir":  {backup.Options{Database: "db", File: there + "/x/x.zip"}, "BACKUP_DIR", nil},
		"no name": {backup.Options{File: dir + "/x.zip"}, "empty", nil},
	} {
		_, err := backup.Run(ctx, s, tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !tc.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		odoodbtest.OnlyArchive(t, s, dir, "there.zip")
	}
	// More than the disk has, and a file with a hole needs none of it.
	huge := filepath.Join(s.Files.Path("db"), "1c/1c2a8239bc7e06429116c40bc1d1334c621ca379")
	if err := os.Truncate(huge, 8<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/x.zip"}); err == nil || !strings.Contains(err.Error(), "MiB are free") {
		t.Errorf("a full disk: %v", err)
	}
	odoodbtest.OnlyArchive(t, s, dir, "there.zip")
	if b, _ := os.ReadFile(there); string(b) != "precious" {
		t.Error("the file was overwritten")
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "leer", File: dir + "/leer.dump", Format: archive.Dump}); err != nil {
		t.Error(err)
	}
}

func TestBackupMissingFiles(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	if err := os.Remove(filepath.Join(s.Files.Path("db"), "1c/1c2a8239bc7e06429116c40bc1d1334c621ca379")); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustApp(t, s, "db", `UPDATE ir_attachment SET store_fname = '../../../../etc/passwd' WHERE id = (SELECT min(id) FROM ir_attachment WHERE store_fname LIKE '54/%')`)
	dir := t.TempDir()
	res, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip"})
	if err != nil || len(res.Missing) != 2 || !slices.Contains(res.Missing, "../../../../etc/passwd") || len(res.Warnings) != 2 || res.DatabaseOnly {
		t.Errorf("%v %+v", err, res)
	}
	if err := os.RemoveAll(s.Files.Path("db")); err != nil {
		t.Fatal(err)
	}
	res, err = backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/b.zip"})
	if err != nil || res.Files != 0 || len(res.Missing) < 9 || !res.DatabaseOnly || !strings.Contains(strings.Join(res.Warnings, "\n"), s.Files.Path("db")) {
		t.Errorf("%v %+v", err, res)
	}
	v, err := verify.File(ctx, res.Path, verify.Options{})
	if err != nil || !v.DatabaseOnly() {
		t.Errorf("%v %+v", err, v)
	}
	// Attachments without files in the file store, and none at all: nothing is missing.
	odoodbtest.MustApp(t, s, "db", `UPDATE ir_attachment SET store_fname = NULL`)
	res, err = backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/c.zip"})
	if v, verr := verify.File(ctx, res.Path, verify.Options{}); err != nil || verr != nil || res.DatabaseOnly || v.DatabaseOnly() || len(res.Warnings) > 0 {
		t.Errorf("%v %v %+v", err, verr, res)
	}
}

// TestBackupCancelled ends a backup at each of its stations.
func TestBackupCancelled(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	before := odoodbtest.Fingerprint(t, s, "db")
	defer func() { fault.At = func(string) {} }()
	for _, at := range []string{"backup snapshot", "backup written", string(progress.PhaseDump), string(progress.PhaseFilestore)} {
		ctx, cancel := context.WithCancel(ctx)
		fault.At = func(p string) {
			if p == at {
				cancel()
			}
		}
		dir := t.TempDir()
		_, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a.zip", Progress: func(e progress.Event) {
			if string(e.Phase) == at {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
		odoodbtest.OnlyArchive(t, s, dir)
		cancel()
	}
	if odoodbtest.Fingerprint(t, s, "db") != before {
		t.Error("the database changed")
	}
	// pg_terminate_backend asks; it takes the server a moment.
	n := 1
	for end := time.Now().Add(10 * time.Second); n > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		n = odoodbtest.Value[int](t, s, server.Maintenance, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'odpm%' AND datname = 'db'`)
	}
	if n > 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestBackupOverwritesNothing: the file may appear while the backup works.
func TestBackupOverwritesNothing(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	file := filepath.Join(t.TempDir(), "a.zip")
	defer func() { fault.At = func(string) {} }()
	fault.At = func(at string) {
		if at == "backup written" {
			if err := os.WriteFile(file, []byte("somebody's"), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file}); !backup.IsFileExists(err) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "somebody's" {
		t.Errorf("the file holds %d bytes: %v", len(b), err)
	}
	odoodbtest.OnlyArchive(t, s, filepath.Dir(file), "a.zip")
}

// TestBackupWithoutItsSnapshot: pg_dump fails, and its exit code counts.
func TestBackupWithoutItsSnapshot(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	defer func() { fault.At = func(string) {} }()
	fault.At = func(string) {
		odoodbtest.MustAdmin(t, s, server.Maintenance, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'odpm backup%'`)
		for odoodbtest.Value[int](t, s, server.Maintenance, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'odpm backup%'`) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	dir := t.TempDir()
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		_, err := backup.Run(ctx, s, backup.Options{Database: "db", File: dir + "/a", Format: format})
		if err == nil || !strings.Contains(err.Error(), "pg_dump exited with code 1") {
			t.Errorf("%s: %v", format, err)
		}
		odoodbtest.OnlyArchive(t, s, dir)
	}
}
