package archive

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/odpm/odpm/host/odoodb/pdeflate"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// inPieces is a zip as a backup has it, with a dump of so many rows.
func inPieces(t testing.TB, rows int) (zipped []byte, dump string) {
	t.Helper()
	var sql strings.Builder
	sql.WriteString(header + "\nCOPY public.ir_attachment (id, name, store_fname) FROM stdin;\n")
	for i := range rows {
		fmt.Fprintf(&sql, "%d\tattachment %d, %s\t%02x/%040x\n", i, i*7919, strings.Repeat("x", i%50), i%256, i)
	}
	sql.WriteString("\\.\n\n--\n" + sqldump.Trailer + "\n--\n")
	return zipOf(func(w *zip.Writer) {
		w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return pdeflate.NewWriter(w, 5, 2) })
		add(w, "dump.sql", sql.String())
		add(w, "manifest.json", `{"db_name": "x"}`)
	}), sql.String()
}

// readSQL reads the dump, and the rows of it that a restore would load.
func readSQL(t *testing.T, zipped []byte) (dump string, rows int64, last string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(path, zipped, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		return "", 0, "", err
	}
	defer a.Close()
	r, err := a.SQL()
	if err != nil {
		return "", 0, "", err
	}
	defer r.Close()
	var all bytes.Buffer
	sc := sqldump.New(io.TeeReader(r, &all))
	for {
		it, err := sc.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // it is that one
			return all.String(), rows, last, nil
		case err != nil:
			return all.String(), rows, last, err
		case it.Kind != sqldump.Copy:
			continue
		}
		names := sqldump.NewRows([]string{"id", "name", "store_fname"}, []string{"store_fname"}, func(v []string) { last = v[0] })
		if err := sc.CopyData(names); err != nil {
			return all.String(), rows, last, err
		}
		rows = names.N
	}
}

// TestPieces: a dump is read piece by piece on several processors, and pieces end in
// the middle of rows.
func TestPieces(t *testing.T) {
	const rows = 60_000
	zipped, dump := inPieces(t, rows)
	if len(dump) < 5*pdeflate.BlockSize || dump[pdeflate.BlockSize-1] == '\n' {
		t.Fatalf("a dump of %d bytes does not show it", len(dump))
	}
	got, n, last, err := readSQL(t, zipped)
	if err != nil || n != rows || last != fmt.Sprintf("%02x/%040x", (rows-1)%256, rows-1) || got != dump {
		t.Fatalf("%d rows to %q, %d of %d bytes, %v", n, last, len(got), len(dump), err)
	}
	// Go's and everybody's reader is not told of pieces.
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != dump {
		t.Errorf("the standard library: %d bytes, %v", len(b), err)
	}

	data := bytes.Index(zipped, []byte("dump.sql")) + len("dump.sql")
	border := data + 2000 + bytes.Index(zipped[data+2000:], []byte{0, 0, 0xff, 0xff})
	size := bytes.Index(zipped, []byte("manifest.json")) - data
	for name, damage := range map[string]func(b []byte) []byte{
		"a bit":             func(b []byte) []byte { b[data+size/2] ^= 16; return b },
		"a bit of a border": func(b []byte) []byte { b[border+2] ^= 1; return b },
		"a border":          func(b []byte) []byte { copy(b[border:], "\xff\xff\x00\x00"); return b },
		"a piece as two":    func(b []byte) []byte { copy(b[data+size/3:], "\x00\x00\x00\xff\xff"); return b },
		"pieces exchanged": func(b []byte) []byte {
			second := border + 4 + 2000 + bytes.Index(b[border+4+2000:], []byte{0, 0, 0xff, 0xff}) + 4
			head := bytes.Index(b, []byte("dump.sql")) + len("dump.sql") + int(b[28]) + int(b[29])<<8
			first := bytes.Clone(b[head : border+4])
			copy(b[head:], append(bytes.Clone(b[border+4:second]), first...))
			return b
		},
		"a stretch of zeros": func(b []byte) []byte { clear(b[data+size/2 : data+size/2+5000]); return b },
	} {
		_, _, _, err := readSQL(t, damage(bytes.Clone(zipped)))
		if !IsRefused(err) && !sqldump.IsRefused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, at := range []int{border + 4, border + 2, data + size/2} {
		if _, _, _, err := readSQL(t, zipped[:at]); !IsRefused(err) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
}

// TestPiecesOfOthers: one stream without pieces, and one that is flushed and goes on.
func TestPiecesOfOthers(t *testing.T) {
	_, dump := inPieces(t, 60_000)
	for _, every := range []int{len(dump), 300_000} {
		zipped := zipOf(func(w *zip.Writer) {
			w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
				f, err := flate.NewWriter(w, 6)
				return flushing{f, every}, err
			})
			add(w, "dump.sql", dump)
		})
		if got, n, _, err := readSQL(t, zipped); err != nil || n != 60_000 || got != dump {
			t.Errorf("flushed after %d bytes: %d rows, %d of %d bytes, %v", every, n, len(got), len(dump), err)
		}
	}
}

type flushing struct {
	*flate.Writer
	every int
}

func (f flushing) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		m := min(len(b), f.every)
		if _, err = f.Writer.Write(b[:m]); err == nil {
			err = f.Flush()
		}
		n, b = n+m, b[m:]
	}
	return n, err
}
