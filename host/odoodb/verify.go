package odoodb

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// Verify proves an archive without a server and without writing anything:
// every byte of it is read and every checksum compared, the dump is complete,
// its modules are the manifest's, and every file that its attachments name is
// there. An archive that passes can still fail to restore into a server that
// lacks an extension or is older; Restore says that before it begins.
func Verify(ctx context.Context, file string, o VerifyOptions) (VerifyResult, error) {
	v := &verifier{o: o, modules: map[string]string{}, last: time.Now()}
	v.res.Path = file
	err := v.run(ctx, file)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = ctx.Err()
	}
	return v.res, err
}

type verifier struct {
	o   VerifyOptions
	res VerifyResult
	a   *archive.Archive

	// What the dump says.
	base    string
	modules map[string]string
	stored  storedNames

	total int64
	files atomic.Int64
	last  time.Time
}

func (v *verifier) run(ctx context.Context, file string) (err error) {
	if v.a, err = archive.Open(file); err != nil {
		return err
	}
	defer v.a.Close()
	a := v.a
	v.stored.has = a.Has
	v.res.Warnings = append(v.res.Warnings, a.Warnings...)
	v.res.Format, v.res.Bytes, v.res.Database = a.Format, a.Size, a.Database
	v.res.ServerVersion, v.res.DumpVersion = a.Header.ServerVersion, a.Header.DumpVersion
	if a.Format == archive.Dump {
		v.total = a.Size
		err = v.dump(ctx)
	} else {
		v.total = a.DumpSize + a.FilesSize
		err = v.sql(ctx)
	}
	if err == nil {
		err = v.compareModules()
	}
	if err == nil && a.Format == archive.Zip {
		err = v.fileContents(ctx)
	}
	if err == nil {
		err = v.compareFiles()
	}
	if err == nil {
		v.o.Progress.send(Event{Phase: PhaseVerify, Done: v.total, Total: v.total, Finished: true})
	}
	return err
}

func (v *verifier) progress(done int64) {
	if now := time.Now(); now.Sub(v.last) > 100*time.Millisecond {
		v.last = now
		v.o.Progress.send(Event{Phase: PhaseVerify, Done: done, Total: v.total})
	}
}

// rows is what reads a table's COPY data.
func (v *verifier) rows(copyStmt string) *sqldump.Rows {
	v.res.Tables++
	schema, table, columns := sqldump.CopyTarget([]byte(copyStmt))
	if schema == "public" && table == "ir_attachment" {
		return sqldump.NewRows(columns, []string{"store_fname"}, func(f []string) {
			if f[0] != "" {
				v.stored.add(f[0])
			}
		})
	}
	if schema == "public" && table == "ir_module_module" {
		return sqldump.NewRows(columns, []string{"name", "state", "latest_version"}, func(f []string) {
			if f[1] == "installed" && len(v.modules) <= maxModules {
				v.modules[f[0]] = f[2]
			}
			if f[0] == "base" && (f[1] == "installed" || f[1] == "to upgrade" || f[1] == "to remove") {
				v.base = f[2]
			}
		})
	}
	return sqldump.NewRows(nil, nil, nil)
}

// sql reads dump.sql as a restore does.
func (v *verifier) sql(ctx context.Context) error {
	r, err := v.a.SQL()
	if err != nil {
		return err
	}
	defer r.Close()
	sc := sqldump.New(&cancelReader{ctx, r})
	trailer := false
	for {
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && it.Kind == sqldump.Copy {
			rows := v.rows(string(it.Text))
			err = sc.CopyData(&tickWriter{rows, func() error { v.progress(sc.Read()); return nil }})
			v.res.Rows += rows.N
		}
		if err != nil {
			if archive.IsRefused(err) {
				return err // and names the archive
			}
			return fmt.Errorf("%s: %w", v.a.Path, err)
		}
		trailer = trailer || it.Kind == sqldump.Comment && string(it.Text) == sqldump.Trailer
	}
	if !trailer {
		return &archive.Error{Path: v.a.Path, Why: sqldump.ErrCutOff.Error()}
	}
	return nil
}

// dump reads pg_dump's custom format.
func (v *verifier) dump(ctx context.Context) error {
	var current *sqldump.Rows
	counted := func() {
		if current != nil {
			v.res.Rows += max(current.N-endOfCopy, 0)
			current = nil
		}
	}
	unread, err := v.a.ReadDump(func([]archive.Entry) error { return nil }, func(e archive.Entry) io.Writer {
		counted()
		if e.Desc != "TABLE DATA" {
			return nil
		}
		current = v.rows(e.Copy)
		return &tickWriter{current, ctx.Err}
	}, func(offset int64) {
		v.progress(offset)
	})
	counted()
	if unread > 0 {
		v.res.warn("%d data blocks are compressed with lz4; they are complete, but their content was not read: neither modules nor attachments could be compared", unread)
	}
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	return err
}

// endOfCopy is how many lines pg_dump writes after a table's rows in the custom
// format: "\." and two empty ones.
const endOfCopy = 3

// maxModules is ten times what the largest Odoo has.
const maxModules = 20_000

func (v *verifier) compareModules() error {
	if len(v.modules) > maxModules {
		return &unprovenError{fmt.Sprintf("%s: the dump has more than %d installed modules", v.a.Path, maxModules)}
	}
	v.res.Modules = len(v.modules)
	m := v.a.Manifest
	if m != nil {
		v.res.OdooVersion = m.MajorVersion
	}
	if v.base == "" {
		if len(v.res.Warnings) > 0 { // the content was not read
			return nil
		}
		if v.a.Format == archive.Dump {
			v.res.warn("it is not the dump of an Odoo database (no installed module base)")
			return nil
		}
		return &unprovenError{v.a.Path + ": it is not the backup of an Odoo database (no installed module base)"}
	}
	if m == nil {
		v.res.OdooVersion = seriesOf(v.base)
		if v.a.Format == archive.Zip {
			v.res.warn("the archive has no manifest: which modules it should have cannot be compared")
		}
		return nil
	}
	if diff := compareModules(m.Modules, v.modules); m.Modules != nil && len(diff) > 0 {
		return &unprovenError{v.a.Path + ": the modules in the dump are not those of the manifest: " + few(diff)}
	}
	if got, want := majorOf(v.base), majorOf(m.MajorVersion+"."); want != 0 && got != want {
		return &unprovenError{fmt.Sprintf("%s: the manifest says Odoo %s, and the module base is %s", v.a.Path, m.MajorVersion, v.base)}
	}
	return nil
}

// fileContents reads the file store; the archive's checksums are compared on
// the way.
func (v *verifier) fileContents(ctx context.Context) error {
	jobs := v.o.Jobs
	if jobs < 1 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var mu sync.Mutex
	err := v.a.ReadFiles(ctx, jobs, func(f archive.File, r io.Reader) error {
		intact, err := fileContent(f, &cancelReader{ctx, r})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if !intact {
			v.damaged(f.Name)
		}
		v.progress(v.a.DumpSize + v.files.Add(f.Size))
		return nil
	})
	if err == nil {
		err = v.a.ReadOthers(ctx)
	}
	sort.Strings(v.res.Damaged)
	if n := v.res.DamagedFiles; n > 0 {
		v.res.warn("%d files are not what their names are the SHA-1 of: they were damaged on the disk before the backup was made: %s", n, fewOf(v.res.Damaged, n))
	}
	return err
}

// maxNamed bounds the names that are kept for a result.
const maxNamed = 1000

func (v *verifier) damaged(name string) {
	if v.res.DamagedFiles++; len(v.res.Damaged) < maxNamed {
		v.res.Damaged = append(v.res.Damaged, name)
	}
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 1<<16); return &b }}

// fileContent compares content and name: Odoo names a file xx/SHA-1.
func fileContent(f archive.File, r io.Reader) (intact bool, err error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	sum := sha1.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{r}, *buf); err != nil {
		return false, err
	}
	name := path.Base(f.Name)
	if len(name) != 2*sha1.Size || strings.HasPrefix(f.Name, checklist+"/") {
		return true, nil
	}
	if _, err := hex.DecodeString(name); err != nil {
		return true, nil
	}
	return hex.EncodeToString(sum.Sum(nil)) == name, nil
}

func (v *verifier) compareFiles() error {
	v.res.Files, v.res.Missing, v.res.MissingFiles = v.stored.files(), v.stored.names, v.stored.missing()
	v.res.Extra = int(v.a.Files) - v.stored.present
	sort.Strings(v.res.Missing)
	n := v.res.MissingFiles
	switch {
	case v.stored.full:
		return &unprovenError{fmt.Sprintf("%s: attachments name more than %d files that are not in the archive", v.a.Path, maxStored)}
	case n == 0:
	case v.a.Files == 0:
		v.res.warn("the archive has no file store: %d of %d attachments' files are missing", n, v.res.Files)
	default:
		return &unprovenError{fmt.Sprintf("%s: %d of the %d files that attachments have are missing in the archive: %s", v.a.Path, n, v.res.Files, fewOf(v.res.Missing, n))}
	}
	return nil
}

// cancelReader ends with its context.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// tickWriter asks before every write whether to go on.
type tickWriter struct {
	w    io.Writer
	tick func() error
}

func (t *tickWriter) Write(p []byte) (int, error) {
	if err := t.tick(); err != nil {
		return 0, err
	}
	return t.w.Write(p)
}
