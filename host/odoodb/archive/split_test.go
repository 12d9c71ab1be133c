package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// refusal is why an archive cannot be opened.
func refusal(t *testing.T, path string) string {
	t.Helper()
	a, err := Open(path)
	if err == nil {
		a.Close()
		t.Fatalf("%s was opened", filepath.Base(path))
	}
	if !IsRefused(err) {
		t.Fatalf("%v", err)
	}
	return err.Error()
}

// followed runs what a refusal says is next, and opens the result.
func followed(t *testing.T, said, command, result string) {
	t.Helper()
	i := strings.Index(said, command)
	if i < 0 {
		t.Fatalf("it does not say %q: %s", command, said)
	}
	if out, err := exec.Command("sh", "-ec", said[i:]).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", said[i:], err, out)
	}
	a, err := Open(result)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
}

// TestSplit: a part of an archive is not just damaged; the command that joins the parts
// is named, and does.
func TestSplit(t *testing.T) {
	whole := zipOf(func(w *zip.Writer) { add(w, "dump.sql", header+strings.Repeat("SELECT 1;\n", 100)) })
	packed := gzipped([]byte(header + strings.Repeat("SELECT 1;\n", 100)))
	for joined, parts := range map[string][]string{
		"my backup.zip": {"my backup.zip.001", "my backup.zip.002", "my backup.zip.003"},
		"b.zip":         {"b.zip.part1", "b.zip.part2", "b.zip.part3"},
		"b.sql.gz":      {"b.sql.gz.part-aa", "b.sql.gz.part-ab", "b.sql.gz.part-ac"},
		"c.sql.gz":      {"c.sql.gz-aa", "c.sql.gz-ab", "c.sql.gz-ac"},
	} {
		content := whole
		if strings.HasSuffix(joined, ".gz") {
			content = packed
		}
		dir := t.TempDir()
		for i, name := range parts {
			n := len(content)/len(parts) + 1
			if err := os.WriteFile(filepath.Join(dir, name), content[i*n:min((i+1)*n, len(content))], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range parts {
			followed(t, refusal(t, filepath.Join(dir, name)), "cat ", filepath.Join(dir, joined))
			if err := os.Remove(filepath.Join(dir, joined)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What is alone, or has a number for another reason, is no part.
	alone := filepath.Join(t.TempDir(), "prod.001")
	if err := os.WriteFile(alone, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if said := refusal(t, alone); strings.Contains(said, "split") {
		t.Error(said)
	}
}

// TestSegments: what `zip -s` writes has parts of its own, which cat does not join.
func TestSegments(t *testing.T) {
	whole := zipOf(func(w *zip.Writer) { add(w, "dump.sql", header) })
	whole[bytes.LastIndex(whole, []byte("PK\x05\x06"))+4] = 1 // the disk that it is on
	for name, content := range map[string][]byte{"b.zip": whole, "b.z01": []byte("PK\x07\x08PK\x03\x04"), "b.z02": {1, 2, 3}} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if said, want := refusal(t, path), "zip -s 0 "+dir+"/b.zip --out "+dir+"/b-joined.zip"; !strings.HasSuffix(said, want) {
			t.Error(said)
		}
	}
}

// TestTarAsTarWritesIt: what only tar itself can give back, with the command that does.
func TestTarAsTarWritesIt(t *testing.T) {
	stored := "filestore/aa/" + strings.Repeat("a", 40)
	for name, tc := range map[string]struct {
		says  string
		files []tar.Header
	}{
		"a hard link":     {"as a hard link", []tar.Header{{Name: "dump.sql"}, {Name: stored}, {Name: stored + "b", Typeflag: tar.TypeLink, Linkname: stored}}},
		"absolute":        {"absolute path", []tar.Header{{Name: "/srv/b/dump.sql"}, {Name: "/srv/b/" + stored}}},
		"appended to":     {"twice", []tar.Header{{Name: "dump.sql"}, {Name: stored}, {Name: "dump.sql"}}},
		"a file appended": {"twice", []tar.Header{{Name: "dump.sql"}, {Name: stored}, {Name: stored}}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range tc.files {
				var content []byte
				if h.Typeflag != tar.TypeLink {
					content = []byte("x")
					if strings.HasSuffix(h.Name, "dump.sql") {
						content = []byte(header)
					}
				}
				h.Size, h.Mode = int64(len(content)), 0o644
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(content); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "b.tar")
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			said := refusal(t, path)
			if !strings.Contains(said, tc.says) {
				t.Error(said)
			}
			followed(t, said, "mkdir ", strings.TrimSuffix(path, ".tar")+"-unpacked")
		})
	}
}
