package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readAll reads every member of an archive, as a restore does.
func readAll(t *testing.T, content []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		return err
	}
	defer a.Close()
	sql, err := a.SQL()
	if err != nil {
		return err
	}
	defer sql.Close()
	if _, err := io.Copy(io.Discard, sql); err != nil {
		return err
	}
	if err := a.ReadFiles(context.Background(), 2, func(_ File, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}); err != nil {
		return err
	}
	return a.ReadOthers(context.Background())
}

// part is an entry of a test's archive.
type part struct {
	name, content string
	method        uint16
	descriptor    bool
}

var backup = []part{
	{"dump.sql", header + strings.Repeat("SELECT 1;\n", 1000), zip.Deflate, true},
	{"manifest.json", `{"db_name": "x"}`, zip.Store, false},
	{"filestore/aa/stored", strings.Repeat("stored", 100), zip.Store, true},
	{"filestore/bb/deflated", strings.Repeat("deflated", 100), zip.Deflate, false},
	{"README", "not a part of it", zip.Store, false},
}

// pack writes a zip; each entry's CRC is patched into all that names it.
func pack(t *testing.T, parts []part) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		h := &zip.FileHeader{Name: p.name, Method: p.method}
		if p.descriptor {
			f, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(f, p.content)
			continue
		}
		data := []byte(p.content)
		if p.method == zip.Deflate {
			var packed bytes.Buffer
			one := zip.NewWriter(&packed)
			f, _ := one.Create("x")
			_, _ = f.Write(data)
			_ = one.Close()
			z, _ := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
			raw, _ := z.File[0].OpenRaw()
			data, _ = io.ReadAll(raw)
		}
		h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crc32.ChecksumIEEE([]byte(p.content)), uint64(len(data)), uint64(len(p.content))
		f, err := w.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write(data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// records gives where each entry's record in the directory, its local header
// and its data begin.
func records(t *testing.T, b []byte) (central, local, data []int) {
	t.Helper()
	end := bytes.LastIndex(b, []byte("PK\x05\x06"))
	at := int(le.Uint32(b[end+16:]))
	for at < end {
		l := int(le.Uint32(b[at+42:]))
		central, local = append(central, at), append(local, l)
		data = append(data, l+localLen+int(le.Uint16(b[l+26:]))+int(le.Uint16(b[l+28:])))
		at += recordLen + int(le.Uint16(b[at+28:])) + int(le.Uint16(b[at+30:])) + int(le.Uint16(b[at+32:]))
	}
	return central, local, data
}

func TestReadsAll(t *testing.T) {
	if err := readAll(t, pack(t, backup)); err != nil {
		t.Fatal(err)
	}
}

// TestZeroChecksum: 0 is a checksum as any other. Go's own reader takes it for
// "not known", and an altered dump was complete.
func TestZeroChecksum(t *testing.T) {
	whole := pack(t, backup)
	central, local, data := records(t, whole)
	for i, p := range backup {
		for _, alter := range []bool{false, true} {
			b := bytes.Clone(whole)
			for k := range 4 {
				b[central[i]+16+k] = 0
				b[local[i]+14+k] = 0
			}
			if d := data[i] + int(le.Uint32(b[central[i]+20:])); p.descriptor {
				copy(b[d+4:], []byte{0, 0, 0, 0})
			}
			if alter && p.method == zip.Store {
				b[data[i]] ^= 1
			}
			if err := readAll(t, b); !IsRefused(err) || !strings.Contains(err.Error(), "checksum is") {
				t.Errorf("%s: %v", p.name, err)
			}
		}
	}
}

// TestLies changes what is said about an entry, in the directory, in front of
// it, and after it.
func TestLies(t *testing.T) {
	whole := pack(t, backup)
	central, local, data := records(t, whole)
	for i, p := range backup {
		packed := int(le.Uint32(whole[central[i]+20:]))
		for name, lie := range map[string]func(b []byte){
			"flipped data":                 func(b []byte) { b[data[i]+packed-1] ^= 0x10 },
			"checksum":                     func(b []byte) { b[central[i]+16] ^= 1 },
			"size, larger":                 func(b []byte) { b[central[i]+24]++ },
			"size, smaller":                func(b []byte) { b[central[i]+24]-- },
			"size, 4 GB":                   func(b []byte) { le.PutUint32(b[central[i]+24:], 0xfffffff0) },
			"packed size, larger":          func(b []byte) { b[central[i]+20]++ },
			"packed size, smaller":         func(b []byte) { b[central[i]+20]-- },
			"encrypted":                    func(b []byte) { b[central[i]+8] |= 1 },
			"encrypted in front":           func(b []byte) { b[local[i]+6] |= 1 },
			"method":                       func(b []byte) { b[central[i]+10] = 12 },
			"method in front":              func(b []byte) { b[local[i]+8] ^= 8 },
			"name in front":                func(b []byte) { b[local[i]+localLen] ^= 1 },
			"offset":                       func(b []byte) { b[central[i]+42]++ },
			"offset outside":               func(b []byte) { le.PutUint32(b[central[i]+42:], 0x7fffffff) },
			"sizes in front":               func(b []byte) { le.PutUint32(b[local[i]+22:], 7) },
			"descriptor":                   func(b []byte) { b[data[i]+packed+map[bool]int{true: 8}[p.descriptor]] ^= 1 },
			"no directory":                 func(b []byte) { b[central[i]] = 'X' },
			"extra field that covers more": func(b []byte) { b[local[i]+28] += 200 },
		} {
			b := bytes.Clone(whole)
			lie(b)
			if err := readAll(t, b); !IsRefused(err) {
				t.Errorf("%s: %s: %v", p.name, name, err)
			}
		}
	}
}

// TestOverlap has two entries of the same bytes, and one that has another in it.
func TestOverlap(t *testing.T) {
	parts := append(slices.Clone(backup), part{"filestore/aa/again", strings.Repeat("stored", 100), zip.Store, true})
	whole := pack(t, parts)
	central, _, _ := records(t, whole)
	b := bytes.Clone(whole)
	copy(b[central[5]+42:], b[central[2]+42:central[2]+46])
	if err := readAll(t, b); !IsRefused(err) || !strings.Contains(err.Error(), "same bytes") {
		t.Error(err)
	}
	b = bytes.Clone(whole)
	le.PutUint32(b[central[2]+20:], 1200)
	le.PutUint32(b[central[2]+24:], 1200)
	if err := readAll(t, b); !IsRefused(err) || !strings.Contains(err.Error(), "shares its bytes") {
		t.Error(err)
	}
}

// TestZIP64 has sizes and offsets in the extra field, as for files of more than
// 4 GB.
func TestZIP64(t *testing.T) {
	content := header + "SELECT 1;\n"
	wide := func(crc uint32) []byte {
		var b bytes.Buffer
		put := func(v any) { _ = binaryWrite(&b, v) }
		extra := func(offset bool) {
			n := uint16(16)
			if offset {
				n = 24
			}
			put(uint16(1))
			put(n)
			put(uint64(len(content)))
			put(uint64(len(content)))
			if offset {
				put(uint64(0))
			}
		}
		b.WriteString("PK\x03\x04")
		for _, v := range []any{uint16(45), uint16(0), uint16(0), uint32(0), crc, uint32(0xffffffff), uint32(0xffffffff), uint16(8), uint16(20)} {
			put(v)
		}
		b.WriteString("dump.sql")
		extra(false)
		b.WriteString(content)
		dir := b.Len()
		b.WriteString("PK\x01\x02")
		for _, v := range []any{uint16(3<<8 | 45), uint16(45), uint16(0), uint16(0), uint32(0), crc, uint32(0xffffffff), uint32(0xffffffff), uint16(8), uint16(28), uint16(0), uint16(0), uint16(0), uint32(0o100644 << 16), uint32(0xffffffff)} {
			put(v)
		}
		b.WriteString("dump.sql")
		extra(true)
		end := b.Len()
		b.WriteString("PK\x06\x06")
		for _, v := range []any{uint64(44), uint16(45), uint16(45), uint32(0), uint32(0), uint64(1), uint64(1), uint64(end - dir), uint64(dir)} {
			put(v)
		}
		b.WriteString("PK\x06\x07")
		for _, v := range []any{uint32(0), uint64(end), uint32(1)} {
			put(v)
		}
		b.WriteString("PK\x05\x06")
		for _, v := range []any{uint16(0), uint16(0), uint16(0xffff), uint16(0xffff), uint32(0xffffffff), uint32(0xffffffff), uint16(0)} {
			put(v)
		}
		return b.Bytes()
	}
	if err := readAll(t, wide(crc32.ChecksumIEEE([]byte(content)))); err != nil {
		t.Error(err)
	}
	if err := readAll(t, wide(0)); !IsRefused(err) {
		t.Errorf("a checksum of 0: %v", err)
	}
	if err := readAll(t, append([]byte("Content-Type: application/zip\r\n\r\n"), wide(crc32.ChecksumIEEE([]byte(content)))...)); err != nil {
		t.Errorf("with something in front of it: %v", err)
	}
	b := wide(crc32.ChecksumIEEE([]byte(content)))
	le.PutUint64(b[bytes.LastIndex(b, []byte("PK\x06\x06"))+32:], 1<<60)
	if err := readAll(t, b); !IsRefused(err) {
		t.Errorf("a count of 2^60: %v", err)
	}
}

func binaryWrite(w io.Writer, v any) error {
	var b []byte
	switch v := v.(type) {
	case uint16:
		b = le.AppendUint16(nil, v)
	case uint32:
		b = le.AppendUint32(nil, v)
	case uint64:
		b = le.AppendUint64(nil, v)
	default:
		return fmt.Errorf("%T", v)
	}
	_, err := w.Write(b)
	return err
}

// TestOrder has the directory in another order than the entries.
func TestOrder(t *testing.T) {
	whole := pack(t, backup)
	central, _, _ := records(t, whole)
	end := bytes.LastIndex(whole, []byte("PK\x05\x06"))
	b := bytes.Clone(whole[:central[0]])
	for i := len(central) - 1; i >= 0; i-- {
		next := end
		if i+1 < len(central) {
			next = central[i+1]
		}
		b = append(b, whole[central[i]:next]...)
	}
	if err := readAll(t, append(b, whole[end:]...)); err != nil {
		t.Error(err)
	}
}

// TestAround: what stands in front of a zip (a program that unpacks it), in its comment,
// or behind it, is no part of it.
func TestAround(t *testing.T) {
	whole := pack(t, backup)
	comment := bytes.Clone(whole)
	le.PutUint16(comment[len(comment)-2:], 300)
	for name, b := range map[string][]byte{
		"in front": append(bytes.Repeat([]byte("#!/bin/sh\n"), 1000), whole...),
		"comment":  append(comment, bytes.Repeat([]byte("c"), 300)...),
		"behind":   append(bytes.Clone(whole), "\r\nuploaded\r\n"...),
	} {
		if err := readAll(t, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOthers: what is not restored is named, and compared all the same.
func TestOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(path, pack(t, backup), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.OtherFiles != 1 || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], `"README"`) {
		t.Errorf("%d, %q", a.OtherFiles, a.Warnings)
	}
	if _, _, found := a.Has("aa/stored"); !found || a.Files != 2 {
		t.Error(a.Files, found)
	}
	if _, _, found := a.Has("filestore/aa/stored"); found {
		t.Error("found by its whole name")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.ReadFiles(cancelled, 2, func(File, io.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCaseCollision(t *testing.T) {
	for _, second := range []string{"filestore/aa/X", "filestore/AA/x"} {
		path := filepath.Join(t.TempDir(), "a.zip")
		b := pack(t, []part{backup[0], {"filestore/aa/x", "1", zip.Store, false}, {second, "2", zip.Store, false}, {"filestore/aa/Y", "3", zip.Store, false}})
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		a.Close()
		if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], fmt.Sprintf("%q is in it in both upper and lower case", second)) && !strings.Contains(a.Warnings[0], `"filestore/aa/x"`) {
			t.Errorf("%q", a.Warnings)
		}
	}
}

// TestOtherReader: what this reader takes, Go's takes too, with the same content.
func TestOtherReader(t *testing.T) {
	whole := pack(t, backup)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		b := bytes.Clone(whole)
		at := rng.IntN(len(b))
		b[at] ^= 1 << rng.IntN(8)
		if readAll(t, b) != nil {
			continue
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("byte %d: Go's reader says %v", at, err)
			continue
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				t.Errorf("byte %d: Go's reader says %v of %s", at, err, f.Name)
			}
		}
	}
}
