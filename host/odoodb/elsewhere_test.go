package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
)

func TestStorageOf(t *testing.T) {
	for name, want := range map[string]string{
		"s3://bucket/ab/cd": "s3", "odoofs://ab/abcd": "odoofs", "my_code.2://x": "my_code.2", "azure://x": "azure",
		"ab/abcdef": "", "": "", "://x": "", "../s3://x": "", "s3:/x": "", "/etc/passwd": "",
	} {
		if got, ok := storageOf(name); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", name, got, ok)
		}
	}
}

// TestFilesElsewhere: what a module keeps in a storage of its own is neither in an
// archive nor missing in it, from the backup to the rehearsal.
func TestFilesElsewhere(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, "db")
	t.Cleanup(func() { _, _ = dropAll(s, "db"), dropAll(s, "back") })
	// fs_storage's odoofs is a directory of the file store.
	inStore := filepath.Join(s.filestore("db"), "documents", "a.pdf")
	if err := os.MkdirAll(filepath.Dir(inStore), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inStore, []byte("invoice"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustApp(t, s, "db", `INSERT INTO ir_attachment (name, type, store_fname, file_size) VALUES ('a', 'binary', 's3://bucket/one', 5),
		('b', 'binary', 's3://bucket/two', 5), ('b', 'binary', 's3://bucket/two', 5), ('c', 'binary', 'odoofs://a.pdf', 7)`)
	if got := s.Elsewhere(ctx, "db"); got.Files != 3 || len(got.Storages) != 2 {
		t.Errorf("counted for a drop: %+v", got)
	}
	if got := s.Elsewhere(ctx, "none"); got.Files != 0 {
		t.Errorf("of no database: %+v", got)
	}
	for _, format := range []string{"zip", "dump"} {
		file := filepath.Join(t.TempDir(), "a."+format)
		b, err := s.Backup(ctx, BackupOptions{Database: "db", File: file, Format: archive.Format(format)})
		if err != nil {
			t.Fatal(err)
		}
		v, err := Verify(ctx, file, VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Restore(ctx, RestoreOptions{File: file, Database: "back"})
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.Rehearse(ctx, RehearseOptions{Restore: RestoreOptions{File: file}})
		if err != nil {
			t.Fatal(err)
		}
		missing := 0
		if format == "dump" {
			missing = 9 // of the file store
		}
		const want = "3 files of attachments in odoofs://, s3://"
		for who, got := range map[string]Elsewhere{"backup": b.Elsewhere, "verify": v.Elsewhere, "restore": r.Elsewhere, "rehearse": h.Elsewhere} {
			if got.String() != want {
				t.Errorf("%s %s: %q, want %q", format, who, got, want)
			}
		}
		if len(b.Missing) != 0 || v.MissingFiles != missing || h.Missing != missing || !strings.Contains(strings.Join(r.Warnings, "\n"), "s3://") || !strings.Contains(strings.Join(b.Warnings, "\n"), "s3://") {
			t.Errorf("%s: %+v\n%+v\n%+v", format, b, v, r)
		}
		if format == "zip" {
			if got, err := os.ReadFile(filepath.Join(s.filestore("back"), "documents", "a.pdf")); string(got) != "invoice" {
				t.Errorf("a storage in the file store: %q, %v", got, err)
			}
		}
	}
}

// TestSizesOfAttachments: a file that was cut off on the disk is named, by every
// step that reads it.
func TestSizesOfAttachments(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, "db")
	t.Cleanup(func() { _, _ = dropAll(s, "db"), dropAll(s, "back") })
	names := strings.Fields(value[string](t, s, "db", `SELECT string_agg(DISTINCT store_fname, ' ') FROM ir_attachment WHERE file_size > 5`))
	if err := os.Truncate(filepath.Join(s.filestore("db"), names[0]), 5); err != nil {
		t.Fatal(err)
	}
	// Odoo has not always known the size.
	mustApp(t, s, "db", `UPDATE ir_attachment SET file_size = 0 WHERE store_fname = '`+names[1]+`'`, `UPDATE ir_attachment SET file_size = NULL WHERE store_fname = '`+names[2]+`'`)
	file := filepath.Join(t.TempDir(), "a.zip")
	b, err := s.Backup(ctx, BackupOptions{Database: "db", File: file})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(ctx, file, VerifyOptions{})
	if err != nil || v.WrongSized != 1 {
		t.Errorf("verify: %d, %v", v.WrongSized, err)
	}
	r, err := s.Restore(ctx, RestoreOptions{File: file, Database: "back"})
	if err != nil || r.WrongSized != 1 {
		t.Errorf("restore: %d, %v", r.WrongSized, err)
	}
	// And where the files are those of the replaced database.
	over, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.dump", Database: "back"})
	if err != nil || over.WrongSized != 1 {
		t.Errorf("restore over it: %d, %v", over.WrongSized, err)
	}
	for who, said := range map[string][]string{"backup": b.Warnings, "verify": v.Warnings, "restore": r.Warnings, "restore over it": over.Warnings} {
		if !strings.Contains(strings.Join(said, "\n"), "1 file has another size than its attachment says: "+names[0]) {
			t.Errorf("%s: %q", who, said)
		}
	}
}
