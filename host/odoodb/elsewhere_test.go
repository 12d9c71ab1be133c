package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// TestFilesElsewhere: what a module keeps in a storage of its own is neither in an
// archive nor missing in it, from the backup to the rehearsal.
func TestFilesElsewhere(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	// fs_storage's odoofs is a directory of the file store.
	inStore := filepath.Join(s.Files.Path("db"), "documents", "a.pdf")
	if err := os.MkdirAll(filepath.Dir(inStore), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inStore, []byte("invoice"), 0o644); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustApp(t, s, "db", `INSERT INTO ir_attachment (name, type, store_fname, file_size) VALUES ('a', 'binary', 's3://bucket/one', 5),
		('b', 'binary', 's3://bucket/two', 5), ('b', 'binary', 's3://bucket/two', 5), ('c', 'binary', 'odoofs://a.pdf', 7)`)
	if got := ExternalFiles(ctx, s, "db"); got.Files != 3 || len(got.Storages) != 2 {
		t.Errorf("counted for a drop: %+v", got)
	}
	if got := ExternalFiles(ctx, s, "none"); got.Files != 0 {
		t.Errorf("of no database: %+v", got)
	}
	for _, format := range []string{"zip", "dump"} {
		file := filepath.Join(t.TempDir(), "a."+format)
		b, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file, Format: archive.Format(format)})
		if err != nil {
			t.Fatal(err)
		}
		v, err := verify.File(ctx, file, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back"})
		if err != nil {
			t.Fatal(err)
		}
		h, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: file}})
		if err != nil {
			t.Fatal(err)
		}
		missing := 0
		if format == "dump" {
			missing = 9 // of the file store
		}
		const want = "3 files of attachments in odoofs://, s3://"
		for who, got := range map[string]verify.Elsewhere{"backup": b.Elsewhere, "verify": v.Elsewhere, "restore": r.Elsewhere, "rehearse": h.Elsewhere} {
			if got.String() != want {
				t.Errorf("%s %s: %q, want %q", format, who, got, want)
			}
		}
		if len(b.Missing) != 0 || v.MissingFiles != missing || h.Missing != missing || !strings.Contains(strings.Join(r.Warnings, "\n"), "s3://") || !strings.Contains(strings.Join(b.Warnings, "\n"), "s3://") {
			t.Errorf("%s: %+v\n%+v\n%+v", format, b, v, r)
		}
		if format == "zip" {
			if got, err := os.ReadFile(filepath.Join(s.Files.Path("back"), "documents", "a.pdf")); string(got) != "invoice" {
				t.Errorf("a storage in the file store: %q, %v", got, err)
			}
		}
	}
}

// TestSizesOfAttachments: a file that was cut off on the disk is named, by every
// step that reads it.
func TestSizesOfAttachments(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.LoadFixture(t, s, "db")
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	names := strings.Fields(odoodbtest.Value[string](t, s, "db", `SELECT string_agg(DISTINCT store_fname, ' ') FROM ir_attachment WHERE file_size > 5`))
	if err := os.Truncate(filepath.Join(s.Files.Path("db"), names[0]), 5); err != nil {
		t.Fatal(err)
	}
	// Odoo has not always known the size.
	odoodbtest.MustApp(t, s, "db", `UPDATE ir_attachment SET file_size = 0 WHERE store_fname = '`+names[1]+`'`, `UPDATE ir_attachment SET file_size = NULL WHERE store_fname = '`+names[2]+`'`)
	file := filepath.Join(t.TempDir(), "a.zip")
	b, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.File(ctx, file, verify.Options{})
	if err != nil || v.WrongSized != 1 {
		t.Errorf("verify: %d, %v", v.WrongSized, err)
	}
	r, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back"})
	if err != nil || r.WrongSized != 1 {
		t.Errorf("restore: %d, %v", r.WrongSized, err)
	}
	// And where the files are those of the replaced database.
	over, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.dump", Database: "back"})
	if err != nil || over.WrongSized != 1 {
		t.Errorf("restore over it: %d, %v", over.WrongSized, err)
	}
	for who, said := range map[string][]string{"backup": b.Warnings, "verify": v.Warnings, "restore": r.Warnings, "restore over it": over.Warnings} {
		if !strings.Contains(strings.Join(said, "\n"), "1 file does not have the size that its attachment says: "+names[0]) {
			t.Errorf("%s: %q", who, said)
		}
	}
}
