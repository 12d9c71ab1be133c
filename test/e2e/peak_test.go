package e2e

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// peak MIB STATUS ODPM-ARGS… runs odpm as built and looks at the most memory
// that it had at any moment.
func peak(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: peak MIB STATUS ARGS…")
	}
	limit, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	var out bytes.Buffer
	cmd := exec.Command(bin+"/odpm", args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &out, &out
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "BACKUP_DIR=" + ts.Getenv("BACKUP_DIR")}
	err = cmd.Run()
	if cmd.ProcessState == nil {
		ts.Check(err)
	}
	most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	ts.Logf("%d MiB, exit %d: %s", most, cmd.ProcessState.ExitCode(), out.String())
	if code := strconv.Itoa(cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("exit status %s instead of %s", code, args[1])
	}
	if most > limit {
		ts.Fatalf("odpm took %d MiB, the limit is %d", most, limit)
	}
	ts.Check(os.WriteFile(ts.MkAbs("peak.out"), out.Bytes(), 0o600))
}

// huge KIND FILE makes an archive that is small and says or becomes much. It is
// the fixture's with something added to its dump, or to its directory.
func huge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: huge KIND FILE")
	}
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	fixture := ts.Getenv("FIXTURES") + "/o18.zip"
	if args[0] == "entries" {
		small, rerr := os.ReadFile(fixture)
		ts.Check(rerr)
		err = crowded(w, small)
	} else {
		err = hugeArchive(w, args[0], fixture)
	}
	ts.Check(err)
	ts.Check(w.Flush())
}

const size = 160 << 20

// intoDump are texts of 160 MB that go into a dump in front of its
// first table.
var intoDump = map[string]func(io.Writer){
	"insert":     around("INSERT INTO t VALUES ('\\x", "00", "');\n"),
	"identifier": around(`SELECT 1 AS "`, "y", "\";\n"),
	"settings":   around("", "SET search_path = 'public';\n", ""),
	"notes":      around("", "COMMENT ON SCHEMA nowhere IS NULL;\n", ""),
	"row":        around("CREATE TABLE public.long_row (t text);\nCOPY public.long_row (t) FROM stdin;\n", "r", "\n\\.\n"),
}

func around(before, middle, after string) func(io.Writer) {
	return func(w io.Writer) {
		_, _ = io.WriteString(w, before)
		block := []byte(strings.Repeat(middle, 1<<20/len(middle)))
		for range size / len(block) {
			_, _ = w.Write(block)
		}
		_, _ = io.WriteString(w, after)
	}
}

func hugeArchive(to io.Writer, kind, fixture string) error {
	z, err := zip.OpenReader(fixture)
	if err != nil {
		return err
	}
	defer z.Close()
	w := zip.NewWriter(to)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return err
		}
		e, err := w.Create(f.Name)
		if err != nil {
			return err
		}
		switch add := intoDump[kind]; {
		case f.Name == "dump.sql" && add != nil:
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			head, rest, _ := bytes.Cut(text, []byte("\nCREATE TABLE"))
			_, _ = e.Write(append(head, '\n'))
			add(e)
			_, err = e.Write(append([]byte("\nCREATE TABLE"), rest...))
			if err != nil {
				return err
			}
		case f.Name == "manifest.json" && kind == "manifest":
			around(`{"modules": {`, `"a": "", `, `"b": ""}}`)(e)
		default:
			if _, err := io.Copy(e, r); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// crowded adds half a million empty files to an archive. Its directory is written
// here: one that Go's writer makes takes the memory of this process, whose
// children then count it as theirs.
func crowded(w *bufio.Writer, small []byte) error {
	const n = 500_000
	le := binary.LittleEndian
	end := bytes.LastIndex(small, []byte("PK\x05\x06"))
	dir := int(le.Uint32(small[end+16:]))
	name := func(i int) string { return fmt.Sprintf("filestore/%02x/%040x", i%256, i) }
	record := func(magic string, length, nameAt int, i int) []byte {
		b := make([]byte, length)
		copy(b, magic)
		le.PutUint16(b[nameAt:], uint16(len(name(i))))
		return append(b, name(i)...)
	}
	_, _ = w.Write(small[:dir])
	for i := range n {
		_, _ = w.Write(record("PK\x03\x04", 30, 26, i))
	}
	step := 30 + len(name(0))
	_, _ = w.Write(small[dir:end])
	for i := range n {
		b := record("PK\x01\x02", 46, 28, i)
		le.PutUint32(b[42:], uint32(dir+i*step))
		_, _ = w.Write(b)
	}
	tail := bytes.Clone(small[end:])
	count := int(le.Uint16(tail[10:])) + n
	le.PutUint16(tail[8:], uint16(count))
	le.PutUint16(tail[10:], uint16(count))
	le.PutUint32(tail[12:], uint32(end-dir+n*(46+len(name(0)))))
	le.PutUint32(tail[16:], uint32(dir+n*step))
	_, err := w.Write(tail)
	return err
}

// contents FILE makes a pg_dump archive whose table of contents promises
// strings of two gigabytes.
func contents(ts *testscript.TestScript, neg bool, args []string) {
	whole, err := os.ReadFile(ts.Getenv("FIXTURES") + "/o18.dump")
	ts.Check(err)
	i := bytes.Index(whole, []byte("ENCODING"))
	if i < 0 {
		ts.Fatalf("the fixture has no entry ENCODING")
	}
	binary.LittleEndian.PutUint32(whole[i-4:], 0x7fffffff)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), whole, 0o600))
}
