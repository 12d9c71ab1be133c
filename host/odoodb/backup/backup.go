// Package backup writes a database and its file store into one archive, as of one moment,
// while Odoo works on.
package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/disk"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// Run writes a database and its file store into one archive, as of one
// moment, while Odoo keeps working. Nothing is written but the archive:
// pg_dump's output goes straight into it, and the files come from hard links.
// The archive has its name only when it is complete and on the disk; after an
// error or a cancelled context there is nothing.
func Run(ctx context.Context, s *server.Server, o Options) (Result, error) {
	b := &backup{s: s, o: o}
	start := time.Now()
	err := b.run(ctx)
	b.res.Elapsed = time.Since(start)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return b.res, err
}

// backup is one backup.
type backup struct {
	s   *server.Server
	o   Options
	res Result

	journal Journal
	// home has the database's file store in it, nil where Odoo has none yet.
	home   *filestore.Home
	snap   *snapshot
	staged *staged
	// dest is where the archive goes.
	dest *destination
}

func (b *backup) run(ctx context.Context) (err error) {
	if err := b.check(ctx); err != nil {
		return err
	}
	if b.dest, err = openDestination(b.res.Path); err != nil {
		return err
	}
	defer b.dest.close()
	if err := b.server(ctx); err != nil {
		return err
	}
	if b.o.Format == archive.Zip {
		if err := b.openHome(); err != nil {
			return err
		}
		defer b.home.Close()
	}
	id := server.Token()
	b.journal = Journal{
		Database: b.o.Database, Part: partName(b.res.Path, id), Archive: b.res.Path,
		Links:  filepath.Join(b.s.Files.Root(), server.HiddenPrefix+id),
		Copies: filepath.Join(filepath.Dir(b.res.Path), server.HiddenPrefix+id),
	}
	if b.home != nil {
		b.journal.Links = b.home.At(server.HiddenPrefix + id)
	}
	b.journal.home, b.journal.dest = b.home, b.dest
	if err := b.journal.begin(b.s.StateDir, id); err != nil {
		return err
	}
	fault.At("backup begun")
	if err := b.dest.make(b.journal.Part); err != nil {
		return errors.Join(err, b.journal.end(ctx))
	}
	defer func() {
		if err == nil {
			err = b.dest.publish()
		}
		end, cancel := server.Detached(ctx)
		defer cancel()
		if err != nil {
			_ = endBackup(end, b.s, id) // they end by themselves, only later
		}
		if cerr := b.journal.end(end); cerr != nil && err == nil {
			b.res.warn("the backup's temporary files could not be removed; the next run tries again: %v", cerr)
		}
	}()
	err = b.s.Unblocked(ctx, server.SessionsOf(backupApp(id)), b.write)
	if server.IsLocked(err) {
		return fmt.Errorf("database %q could not be read: %w", b.o.Database, err)
	}
	if err != nil {
		return fullDisk(err)
	}
	// The disk need not wait for the processors, nor they for it.
	synced := make(chan error, 1)
	go func() { synced <- b.dest.file.Sync() }()
	err = b.verify(ctx)
	return errors.Join(err, fullDisk(<-synced))
}

// write fills the archive.
func (b *backup) write(ctx context.Context) error {
	if err := b.snapshot(ctx); err != nil {
		return err
	}
	defer b.snap.close()
	defer b.staged.close()
	fault.At("backup snapshot")
	var err error
	w := &counter{w: bufio.NewWriterSize(b.dest.file, 1<<18)}
	if b.o.Format == archive.Dump {
		err = b.writeDump(ctx, w)
	} else {
		err = b.writeZip(ctx, w)
	}
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil {
		fault.At("backup written")
		err = ctx.Err()
	}
	b.res.Bytes = w.n
	return err
}

// verify reads the archive as `odpm database verify` and a restore do: what is
// called a backup is one that they take.
func (b *backup) verify(ctx context.Context) error {
	a, err := b.dest.written()
	if err != nil {
		return err
	}
	res, err := verify.Opened(ctx, a, verify.Options{Progress: b.o.Progress, Jobs: b.o.Jobs, AllowMissingFiles: true, OfBackup: true, Owner: b.s.AppRole})
	if err != nil {
		return fmt.Errorf("the backup was written but could not have been restored, so it was removed: %w", err)
	}
	if res.MissingFiles > 0 && b.o.Format == archive.Zip && res.Extra+res.Files > res.MissingFiles {
		b.res.warn("a restore of it needs --allow-missing-files")
	}
	if res.NotUTF8 != "" {
		b.res.warn("the database has bytes that are not UTF-8, so the archive cannot be restored as it is: %s", res.NotUTF8)
	}
	if n := res.WrongSized; n > 0 {
		b.res.warn("%s: %s", verify.WrongSizes(n), verify.FewOf(res.WrongNames, n))
	}
	if n := res.DamagedFiles; n > 0 {
		b.res.warn("%d files do not match the SHA-1 in their names: they were already damaged on the disk: %s", n, verify.FewOf(res.Damaged, n))
	}
	return b.restorable(ctx, res.Needed)
}

// fullDisk adds what to do where the estimate was too low, or somebody else took
// the room meanwhile.
func fullDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk had no room for the backup, so it was removed: %w; free up space there or set BACKUP_DIR to another disk", err)
	}
	return err
}

// check refuses what cannot work before anything is written.
func (b *backup) check(ctx context.Context) error {
	if err := server.CheckName(b.o.Database); err != nil {
		return err
	}
	switch b.o.Format {
	case "":
		b.o.Format = archive.Zip
	case archive.Zip, archive.Dump:
	default:
		return fmt.Errorf("unknown backup format %q; allowed: %q, %q", b.o.Format, archive.Zip, archive.Dump)
	}
	if b.o.Jobs < 1 {
		// More would only take memory: from here on pg_dump is the slow one.
		b.o.Jobs = min(runtime.GOMAXPROCS(0), 8)
	}
	path, err := filepath.Abs(b.o.File)
	if err != nil {
		return err
	}
	b.res.Path = path
	return nil
}

// server refuses a database that cannot be backed up.
func (b *backup) server(ctx context.Context) error {
	c, err := b.s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	info, err := server.Lookup(ctx, c, b.o.Database)
	if err == nil && b.o.Database == "template0" {
		return server.CheckTarget(b.o.Database) // nobody should open it for a backup
	}
	if err == nil && info.Invalid {
		return server.Invalid(b.o.Database)
	}
	if err == nil && !info.AllowC {
		err = fmt.Errorf("database %q accepts no connections; to back it up: psql -d postgres -c 'ALTER DATABASE %s ALLOW_CONNECTIONS true'", b.o.Database, quote.Ident(b.o.Database))
	}
	return err
}

// openHome opens the file store's directory before anything is written.
func (b *backup) openHome() (err error) {
	b.home, err = b.s.Files.Home(b.o.Database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var live *filestore.Store
		if live, err = b.home.Open(b.home.Live); err == nil {
			return live.Close()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		b.home.Close()
	}
	return fmt.Errorf("file store: %w", err)
}

// snapshot opens the snapshot and stages the file store for it.
func (b *backup) snapshot(ctx context.Context) error {
	who, unreadable, err := dumperOf(ctx, b.s, b.o.Database)
	if err != nil {
		return err
	}
	if unreadable > 0 {
		b.res.warn("role %q may not read all of %d tables, sequences or large objects in the database, so the dump is made as %q", b.s.AppRole, unreadable, who.login.User)
	}
	who.login.ApplicationName = backupApp(b.journal.id())
	b.snap, err = takeSnapshot(ctx, b.s, who, func(sn *snapshot) error {
		b.res.OdooVersion = tables.SeriesOf(sn.base)
		if sn.base == "" && b.o.Format == archive.Zip {
			return fmt.Errorf("%w; for a backup without manifest and file store: --backup-format dump", tables.NotOdoo(b.o.Database))
		}
		if want := tables.SeriesOf(b.o.OdooVersion + ".0"); want != "" && b.res.OdooVersion != "" && want != b.res.OdooVersion {
			b.res.warn("the database is from Odoo %s, but the project is Odoo %s; the archive says %s", b.res.OdooVersion, want, b.res.OdooVersion)
		}
		if b.o.Format == archive.Dump {
			return b.room(sn, 0, 0)
		}
		g := &stager{
			home: b.home, links: filepath.Base(b.journal.Links), // A storage can be a directory of the file store (fs_storage's odoofs),
			// whose files no store_fname names in the file store's way.
			all:    b.o.AllFiles || sn.elsewhere.Files > 0,
			copies: func() (*filestore.Store, error) { return filestore.Copies(b.dest.dir, filepath.Base(b.journal.Copies)) },
			room:   func(files, extra int64) error { return b.room(sn, files, extra) },
		}
		b.staged, err = g.stage(ctx, sn.stored)
		return err
	})
	if err != nil {
		return err
	}
	if b.res.Elsewhere = b.snap.elsewhere; b.res.Elsewhere.Files > 0 {
		b.res.warn("%s: a backup contains only Odoo's own file store; back up the other storage as well", b.res.Elsewhere)
	}
	b.res.Stored = len(b.snap.stored)
	if b.staged == nil {
		b.res.DatabaseOnly = b.res.Stored > 0
		if n := b.res.Stored; n > 0 {
			b.res.warn("a dump has no file store: the attachments' %d files are not in it", n)
		}
		return nil
	}
	b.res.Files, b.res.FilesBytes, b.res.Missing = len(b.staged.names), b.staged.bytes, b.staged.missing
	b.res.DatabaseOnly = verify.DatabaseOnly(b.res.Stored, len(b.res.Missing))
	switch n := len(b.res.Missing); {
	case b.res.DatabaseOnly:
		b.res.warn("none of the attachments' %d files is in the file store %s, so the archive holds the database only; if Odoo finds them, its data is elsewhere: compare data_dir in odoo.conf with what is mounted there", n, b.s.Files.Path(b.o.Database))
	case n > 0:
		b.res.warn("%d of %d attachments' files are not in the file store: %s", n, b.res.Stored, verify.Few(b.res.Missing))
	}
	if n := len(b.staged.foreign); n > 0 {
		b.res.warn("%d files are left out because they are not Odoo's: %s", n, verify.Few(b.staged.foreign))
	}
	if b.staged.copied != nil {
		b.res.warn("the files could not be hard-linked and were copied, which took %d MiB during the backup: %v", b.staged.bytes>>20, b.staged.copied)
	}
	return nil
}

// room compares what the archive may need at most with what is free. Tables
// shrink to a quarter or less, what is in TOAST is compressed already.
func (b *backup) room(sn *snapshot, files, extra int64) error {
	dir := filepath.Dir(b.res.Path)
	free, err := disk.Free(dir)
	if err != nil {
		return fmt.Errorf("directory of backups: %w", err)
	}
	if need := sn.heap/4 + sn.toast + files + extra; need > free {
		return fmt.Errorf("the backup may need %s in %s, but only %s are free; free up space or set BACKUP_DIR to another disk", disk.MiB(need), dir, disk.MiB(free))
	}
	return nil
}
