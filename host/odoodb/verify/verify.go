// Package verify says whether an archive is the backup of an Odoo database. It reads the
// archive, or the database that was loaded from it, and judges both alike: what
// a backup writes, verify passes and restore takes is one and the same.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// File proves an archive without a server and without writing anything:
// every byte of it is read and every checksum compared, the dump is complete,
// its modules are the manifest's, and every file that its attachments name is
// there. An archive that passes can still fail to restore into a server that
// lacks an extension or is older; Restore says that before it begins.
func File(ctx context.Context, file string, o Options) (Result, error) {
	a, err := archive.Open(file)
	if err != nil {
		return Result{Path: file}, err
	}
	return Opened(ctx, a, o)
}

// Opened is File of an archive that is open; it closes it.
func Opened(ctx context.Context, a *archive.Archive, o Options) (Result, error) {
	defer a.Close()
	v := &verifier{o: o, a: a, content: newContent(), last: time.Now()}
	v.content.needs = needs.New(o.Owner)
	v.res.Path = a.Path
	err := v.run(ctx)
	v.res.Needed, v.res.Needs = v.content.needs, v.content.needs.Needs()
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = ctx.Err()
	}
	return v.res, err
}

type verifier struct {
	o   Options
	res Result
	a   *archive.Archive

	content content

	// total is 0 where nobody knows it; read is how far the dump was read.
	total       int64
	read, files atomic.Int64
	telling     sync.Mutex
	last        time.Time
}

func (v *verifier) run(ctx context.Context) (err error) {
	a := v.a
	v.content.stored.has = a.Has
	v.res.Warnings = append(v.res.Warnings, a.Warnings...)
	v.res.Format, v.res.Bytes, v.res.Database = a.Format, a.Size, a.Database
	v.res.ServerVersion, v.res.DumpVersion = a.Header.ServerVersion, a.Header.DumpVersion
	if dump := a.DumpTotal(); dump > 0 {
		v.total = dump + a.FilesSize
	}
	err = v.contents(ctx)
	v.res.Tables, v.res.Rows, v.res.OwnRows = v.content.tables, v.content.rows, v.content.ownRows
	if err == nil {
		err = v.judge()
	}
	if err == nil {
		all := v.read.Load() + v.files.Load()
		if v.total > 0 {
			all = v.total
		}
		v.o.Progress.Send(progress.Event{Phase: progress.PhaseVerify, Done: all, Total: all, Finished: true})
	}
	return err
}

// contents reads the dump and the file store. Each is read by one processor or by
// all of them, as its compression allows, so the two go on at the same time where the
// archive can be read at two places.
func (v *verifier) contents(ctx context.Context) error {
	if !v.a.Parallel() {
		if err := v.sql(ctx); err != nil {
			return err
		}
		return v.fileContents(ctx)
	}
	beside, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var filesErr error
	wg.Go(func() { filesErr = v.fileContents(beside) })
	err := v.sql(ctx)
	if err != nil {
		stop()
	}
	wg.Wait()
	return cmp.Or(err, filesErr)
}

// judge says what follows from all that was read.
func (v *verifier) judge() error {
	f, err := v.content.facts()
	if err != nil {
		return fmt.Errorf("%s: %w", v.a.Path, err)
	}
	if f.notUTF8 != "" {
		v.res.NotUTF8 = f.encodingAdvice()
	}
	v.res.Modules, v.res.Files, v.res.MissingFiles, v.res.Missing = len(f.Modules), f.Stored, f.Missing, f.names
	v.res.WrongSized, v.res.WrongNames, v.res.Elsewhere = f.WrongSized, f.wrongNames, f.Elsewhere
	v.res.Extra = int(v.a.Files) - (f.Stored - f.Missing)
	v.res.OdooVersion = tables.SeriesOf(f.base)
	if m := v.a.Manifest; m != nil && m.MajorVersion != "" {
		v.res.OdooVersion = m.MajorVersion
	}
	j, err := Judge(f, Wanted{Archive: v.a, Project: v.o.OdooMajor, MissingFiles: v.o.AllowMissingFiles, ofBackup: v.o.OfBackup})
	v.res.Warnings = append(v.res.Warnings, j.Warnings...)
	if err != nil {
		return fmt.Errorf("%s: %w", v.a.Path, err)
	}
	return nil
}

func (v *verifier) progress() {
	v.telling.Lock()
	defer v.telling.Unlock()
	if now := time.Now(); now.Sub(v.last) > 100*time.Millisecond {
		v.last = now
		v.o.Progress.Send(progress.Event{Phase: progress.PhaseVerify, Done: v.read.Load() + v.files.Load(), Total: v.total})
	}
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
			rows := v.content.copy(it.Text)
			err = sc.CopyData(&tickWriter{v.content.rowsOf(rows), func() error { v.dumpRead(sc); return nil }})
			v.content.count(rows.N)
		}
		if err == nil && it.Kind == sqldump.Statement {
			v.content.statement(it.Text)
			v.dumpRead(sc)
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

// dumpRead tells how much of the dump was read, in the bytes that the archive has it in.
func (v *verifier) dumpRead(sc *sqldump.Scanner) {
	n := sc.Read()
	if v.a.Format == archive.Dump {
		n = v.a.ReadBytes()
	}
	v.read.Store(n)
	v.progress()
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
		v.files.Add(f.Size)
		v.progress()
		return nil
	})
	if err == nil {
		err = v.a.ReadOthers(ctx)
	}
	sort.Strings(v.res.Damaged)
	if n := v.res.DamagedFiles; n > 0 {
		v.res.warn("%d files do not match the SHA-1 in their names: they were damaged on the disk before the backup was made: %s", n, FewOf(v.res.Damaged, n))
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

// tickWriter asks before every write whether to continue.
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
