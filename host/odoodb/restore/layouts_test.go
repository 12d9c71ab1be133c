package restore_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
)

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sorted(files map[string][]byte) []string {
	var names []string
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range sorted(files) {
		f, err := w.Create(n)
		if err == nil {
			_, err = f.Write(files[n])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range sorted(files) {
		if err := w.WriteHeader(&tar.Header{Name: n, Size: int64(len(files[n])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// renamed gives the files other names, and leaves out those that get none.
func renamed(files map[string][]byte, name func(string) string) map[string][]byte {
	out := map[string][]byte{}
	for n, b := range files {
		if to := name(n); to != "" {
			out[to] = b
		}
	}
	return out
}

// TestLayouts has the layouts in which people have their backups. All are
// verified, and those that are read in a way of their own are restored.
func TestLayouts(t *testing.T) {
	files := odoodbtest.FixtureFiles(t)
	custom, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, content []byte, without ...string) map[string][]byte {
		out := renamed(files, func(n string) string {
			for _, w := range without {
				if n == w {
					return ""
				}
			}
			return n
		})
		out[name] = content
		return out
	}
	prefixed := func(p string) map[string][]byte { return renamed(files, func(n string) string { return p + n }) }
	manifest := files["manifest.json"]
	sh := renamed(files, func(n string) string {
		if rel, ok := strings.CutPrefix(n, "filestore/"); ok {
			return "acme-1077_daily/home/odoo/data/filestore/acme-1077/" + rel
		}
		return ""
	})
	sh["acme-1077_daily.sql.gz"] = gz(t, files["dump.sql"])
	folder := filepath.Join(t.TempDir(), "folder")
	for n, b := range with("db.dump", custom, "dump.sql") {
		path := filepath.Join(folder, filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := odoodbtest.NewServer(t)
	for name, tc := range map[string]struct {
		content  []byte
		missing  int
		warnings int
		restore  bool
	}{
		"odoo.sh":        {zipped(t, sh), 0, 1, true},
		"dump.sql.gz":    {zipped(t, with("dump.sql.gz", gz(t, files["dump.sql"]), "dump.sql")), 0, 0, false},
		"below a folder": {zipped(t, prefixed("prod_2026/")), 0, 0, false},
		"dot slash":      {zipped(t, prefixed("./")), 0, 0, false},
		"backslash":      {zipped(t, renamed(files, func(n string) string { return strings.ReplaceAll(n, "/", `\`) })), 0, 0, false},
		"a drive":        {zipped(t, renamed(files, func(n string) string { return strings.ReplaceAll("C:/odoo backups/"+n, "/", `\`) })), 0, 0, true},
		"capitals": {zipped(t, renamed(files, func(n string) string {
			return strings.NewReplacer("dump.sql", "DUMP.SQL", "manifest.json", "MANIFEST.JSON", "filestore/", "FILESTORE/").Replace(n)
		})), 0, 0, true},
		"filestore/DB":       {zipped(t, renamed(files, func(n string) string { return strings.Replace(n, "filestore/", "filestore/prod/", 1) })), 0, 0, true},
		"custom in a zip":    {zipped(t, with("db.dump", custom, "dump.sql")), 0, 0, false},
		"files in DB":        {zipped(t, renamed(files, func(n string) string { return strings.Replace(n, "filestore/", "prod/", 1) })), 0, 0, true},
		"Filestore":          {zipped(t, renamed(files, func(n string) string { return strings.Replace(n, "filestore/", "Filestore/", 1) })), 0, 0, false},
		"tar":                {tarred(t, files), 0, 0, false},
		"tar.gz":             {gz(t, tarred(t, prefixed("x/"))), 0, 0, true},
		"plain":              {files["dump.sql"], 9, 2, false},
		"plain, compressed":  {gz(t, files["dump.sql"]), 9, 2, true},
		"byte order mark":    {append([]byte("\xef\xbb\xbf"), files["dump.sql"]...), 9, 2, false},
		"custom, compressed": {gz(t, custom), 9, 1, true},
		"folder":             {nil, 0, 0, true},
		"manifest: none":     {zipped(t, renamed(files, func(n string) string { return strings.TrimPrefix(n, "manifest.json") })), 0, 1, false},
		"manifest: empty":    {zipped(t, with("manifest.json", nil)), 0, 1, false},
		"manifest: null":     {zipped(t, with("manifest.json", []byte("null"))), 0, 1, false},
		"manifest: text":     {zipped(t, with("manifest.json", []byte("hello"))), 0, 1, false},
		"manifest: other":    {zipped(t, with("manifest.json", []byte(`{"format": "other", "modules": ["base"]}`))), 0, 1, false},
		"manifest: BOM":      {zipped(t, with("manifest.json", append([]byte("\xef\xbb\xbf"), manifest...))), 0, 0, false},
		"manifest: numbers":  {zipped(t, with("manifest.json", bytes.Replace(manifest, []byte(`"pg_version": "15.0"`), []byte(`"pg_version": 15.0`), 1))), 0, 0, false},
		"macOS's own":        {zipped(t, with("__MACOSX/._dump.sql", []byte("x"))), 0, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := folder
			if tc.content != nil {
				path = filepath.Join(t.TempDir(), "backup")
				if err := os.WriteFile(path, tc.content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			res, err := verify.File(ctx, path, verify.Options{})
			if err != nil || res.OdooVersion != "18.0" || res.Files != 9 || res.MissingFiles != tc.missing || len(res.Warnings) != tc.warnings {
				t.Fatalf("verify: %v\n%+v", err, res)
			}
			if !tc.restore {
				return
			}
			rep, err := restore.Run(ctx, s, restore.Options{File: path, Database: "layout", OdooMajor: 18, KeepOld: false})
			if err != nil || rep.Modules != 12 || rep.Files != 9 || tc.missing == 0 && rep.Missing != 0 {
				t.Errorf("restore: %v\n%+v", err, rep)
			}
		})
	}
}

// TestUnclearLayouts: where more than one thing may be meant, none is chosen.
func TestUnclearLayouts(t *testing.T) {
	files := odoodbtest.FixtureFiles(t)
	two := renamed(files, func(n string) string { return strings.Replace(n, "filestore/", "filestore/prod/", 1) })
	for n, b := range files {
		two[strings.Replace(n, "filestore/", "filestore/test/", 1)] = b
	}
	dumps := renamed(files, func(n string) string { return strings.Replace(n, "dump.sql", "a.sql", 1) })
	dumps["b.sql"] = files["dump.sql"]
	noFiles := renamed(files, func(n string) string {
		if strings.HasPrefix(n, "filestore/") {
			return ""
		}
		return n
	})
	noFiles["filestore.tar.gz"] = []byte("x")
	for name, tc := range map[string]struct {
		files map[string][]byte
		want  string
	}{"packed file store": {noFiles, `an archive in the archive, "filestore.tar.gz"`}, "zip in a zip": {map[string][]byte{"prod.zip": zipped(t, files)}, `only "prod.zip", which is an archive itself`}, "two file stores": {two, "several databases"}, "two dumps": {dumps, "several dumps"}} {
		path := filepath.Join(t.TempDir(), "backup")
		if err := os.WriteFile(path, zipped(t, tc.files), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := verify.File(ctx, path, verify.Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
