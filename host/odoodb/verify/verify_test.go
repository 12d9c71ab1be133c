package verify_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/verify"
)

func TestVerifyFixtures(t *testing.T) {
	finished := false
	z, err := verify.File(ctx, "../testdata/o18.zip", verify.Options{Progress: func(e progress.Event) {
		finished = finished || e.Finished && e.Done == e.Total && e.Phase == progress.PhaseVerify
	}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := verify.File(ctx, "../testdata/o18.dump", verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if z.Database != "o18" || z.OdooVersion != "18.0" || z.Modules != 12 || z.Files != 9 || z.Extra != 9 || len(z.Warnings) != 0 || z.Tables < 100 || z.Rows < 1000 || !finished {
		t.Errorf("zip: %+v", z)
	}
	if d.Database != "o18" || d.OdooVersion != "18.0" || d.Modules != 12 || d.Files != 9 || len(d.Missing) != 9 || len(d.Warnings) != 1 || d.Tables != z.Tables || d.Rows != z.Rows {
		t.Errorf("dump: %+v", d)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, f := range []string{"../testdata/o18.zip", "../testdata/o18.dump"} {
		if _, err := verify.File(cancelled, f, verify.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// twice appends the dump to itself, as a script does with >>.
func twice(name string, b []byte) []byte {
	if name == "dump.sql" {
		return slices.Concat(b, b)
	}
	return b
}

func TestVerifyFinds(t *testing.T) {
	custom, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	behind := filepath.Join(t.TempDir(), "behind.dump")
	if err := os.WriteFile(behind, append(custom, "more"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		file string
		want string
		is   func(error) bool
	}{
		"trailer":      {odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", sqldump.Trailer, "--")), "is missing; use another backup", archive.IsRefused},
		"cut rows":     {odoodbtest.Rebuild(t, odoodbtest.CutAt("COPY public.res_partner ")), "cut off; use another backup", sqldump.IsRefused},
		"a command":    {odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "\nSET ", "\n\\! id\nSET ")), "psql command", sqldump.IsRefused},
		"module":       {odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("manifest.json", `"web": "18.0.1.0"`, `"web": "18.0.9.9"`)), "web is 18.0.1.0 instead of 18.0.9.9", verify.IsUnproven},
		"file missing": {odoodbtest.Rebuild(t, odoodbtest.Without("filestore/1c/")), "1 of the attachments' 9 files", verify.IsUnproven},
		"no base":      {odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "COPY public.ir_module_module ", "COPY public.other ")), "not a backup of an Odoo database", verify.IsUnproven},
		"rows only":    {odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "CREATE TABLE public.ir_module_module ", "CREATE TABLE public.other ")), "has rows but not the tables", verify.IsUnproven},
		"two dumps":    {odoodbtest.Rebuild(t, twice), "the file holds two dumps", verify.IsUnproven},
		"more behind":  {behind, "its data is followed by something", archive.IsRefused},
	} {
		if _, err := verify.File(ctx, tc.file, verify.Options{}); err == nil || !strings.Contains(err.Error(), tc.want) || !tc.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	res, err := verify.File(ctx, odoodbtest.Rebuild(t, odoodbtest.Without("filestore/")), verify.Options{})
	if err != nil || len(res.Missing) != 9 || len(res.Warnings) != 1 {
		t.Errorf("without a file store: %v %+v", err, res)
	}
	res, err = verify.File(ctx, odoodbtest.Rebuild(t, func(name string, b []byte) []byte {
		if strings.HasPrefix(name, "filestore/1c/") {
			b[0] ^= 1
		}
		return b
	}), verify.Options{})
	if err != nil || len(res.Damaged) != 1 || len(res.Warnings) != 1 {
		t.Errorf("a damaged file: %v %+v", err, res)
	}
}

// TestVerifyZeroChecksum has a byte of dump.sql changed and its checksum set to
// 0, which Go's zip reader takes for one that is not known. A restore reads the
// same way and must say the same.
func TestVerifyZeroChecksum(t *testing.T) {
	var b bytes.Buffer
	z, err := zip.OpenReader("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	w := zip.NewWriter(&b)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		e, err := w.CreateRaw(&zip.FileHeader{Name: f.Name, CRC32: 0, CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))})
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "dump.sql" {
			content = bytes.Replace(content, []byte("-- Name:"), []byte("-- N4me:"), 1)
		}
		if _, err := e.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "zero.zip")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := verify.File(ctx, path, verify.Options{}); !archive.IsRefused(err) || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("verify: %v", err)
	}
	s := odoodbtest.NewServer(t)
	if _, err := restore.Run(ctx, s, restore.Options{File: path, Database: "db", OdooMajor: 18}); !archive.IsRefused(err) || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("restore: %v", err)
	}
}

// TestVerifyDamage cuts archives off at random places, and flips bits in the
// zip: whatever passes must be what it was.
func TestVerifyDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	path := filepath.Join(t.TempDir(), "damaged")
	try := func(b []byte) error {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := verify.File(ctx, path, verify.Options{})
		return err
	}
	for _, name := range []string{"../testdata/o18.zip", "../testdata/o18.dump"} {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			n := rng.IntN(len(whole))
			if try(whole[:n]) == nil {
				t.Errorf("%s cut at %d passes", name, n)
			}
		}
	}
	whole, err := os.ReadFile("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, "../testdata/o18.zip")
	for range 60 {
		n, bit := rng.IntN(len(whole)), byte(1)<<rng.IntN(8)
		whole[n] ^= bit
		if try(whole) == nil && contents(t, path) != want {
			t.Errorf("bit %d of byte %d is flipped, the content differs, and it passes", bit, n)
		}
		whole[n] ^= bit
	}
}

// contents is everything that an unzipper gets out.
func contents(t *testing.T, path string) string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var b strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s\n", f.Name)
		if _, err := io.Copy(&b, r); err != nil {
			return err.Error()
		}
		r.Close()
	}
	return b.String()
}
