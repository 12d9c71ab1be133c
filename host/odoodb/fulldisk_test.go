package odoodb

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/quote"
)

// smallDisk is a file system of its own, and a file on it that takes room.
type smallDisk string

func mountSmall(t *testing.T, mib int) smallDisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "odpm-disk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("odpm-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0777", mib)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(dir, 0), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return smallDisk(dir)
}

func (d smallDisk) ballast() string { return filepath.Join(string(d), "ballast") }

func (d smallDisk) free() int64 {
	var st syscall.Statfs_t
	if syscall.Statfs(string(d), &st) != nil {
		return -1
	}
	return int64(st.Bavail) * st.Bsize
}

// leave makes the ballast larger until no more than so many bytes are free.
func (d smallDisk) leave(bytes int64) error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	for more := d.free() - bytes; more > 0; more = min(more/2, d.free()-bytes) {
		if err := syscall.Fallocate(int(f.Fd()), 0, st.Size(), more); err == nil || !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

// point is one at which a disk fills up.
type point struct {
	disk smallDisk
	// free is what is free when the work begins, in MiB; once so many are written,
	// others take all but left.
	free, written, left int64
	// ends is in the error, "" where the work succeeds.
	ends string
}

// TestTwentyFullDisks: whichever disk fills up, and whenever, a restore or a backup ends
// in order, nothing of it is left, and the server has not noticed: its other databases
// are there, and its log knows of no disk that was full.
func TestTwentyFullDisks(t *testing.T) {
	if os.Geteuid() != 0 {
		return // Mounting takes root.
	}
	data, wal, space, files, backups := mountSmall(t, 260), mountSmall(t, 300), mountSmall(t, 220), mountSmall(t, 120), mountSmall(t, 100)
	t.Run("points", func(t *testing.T) {
		s, c, _ := odoodbtest.LegacyServerIn(t, string(data), 15, "")
		if err := c.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		moveLog(t, filepath.Join(c.ClusterDir(), "pg_wal"), filepath.Join(string(wal), "pg_wal"))
		if err := c.Start(ctx); err != nil {
			t.Fatal(err)
		}
		s.Files.DataDir = filepath.Join(string(files), "odoo")
		file := bigArchive(t, 80_000, 24)
		odoodbtest.OldOdoo(t, s, "live", "18.0.1.3")
		dir := filepath.Join(string(space), "space")
		odoodbtest.MustAdmin(t, s, server.Maintenance, `COPY (SELECT WHERE false) TO PROGRAM `+quote.Literal("mkdir "+dir))
		odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE TABLESPACE small LOCATION `+quote.Literal(dir))
		shop := func() {
			odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE shop OWNER `+quote.Ident(s.AppRole)+` TABLESPACE small`)
			odoodbtest.MustApp(t, s, "shop", `CREATE TABLE ir_module_module (name varchar, state varchar, latest_version varchar)`, `CREATE TABLE kept ()`)
		}
		shop()
		started := odoodbtest.Value[time.Time](t, s, server.Maintenance, `SELECT pg_postmaster_start_time()`)

		run := func(p point) error {
			switch p.disk {
			case backups:
				_, err := backup.Run(ctx, s, backup.Options{Database: "source", File: filepath.Join(string(backups), "b.zip")})
				return err
			case space:
				_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "shop"})
				return err
			}
			_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "big"})
			return err
		}
		undo := func(p point) {
			err := os.Remove(p.disk.ballast())
			switch p.disk {
			case backups:
				err = errors.Join(err, os.Remove(filepath.Join(string(backups), "b.zip")))
			case space:
				err = errors.Join(err, odoodbtest.DropAll(s, "shop"))
				defer shop()
			default:
				err = errors.Join(err, odoodbtest.DropAll(s, "big"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: "source"}); err != nil {
			t.Fatal(err)
		}
		look, err := odoodbtest.Root(s, server.Maintenance)
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close(look)
		names := map[smallDisk]string{data: "data directory", wal: "pg_wal", space: "tablespace", files: "file store", backups: "BACKUP_DIR"}
		table := "| disk | free, others take it | ends |\n|---|---|---|\n"
		for _, p := range []point{
			{data, 70, 0, 0, "free up space first"}, {data, 80, 0, 0, "not enough disk space"}, {data, 78, 0, 0, "not enough disk space"}, {data, 130, 20, 40, "not enough disk space"}, {data, 140, 0, 0, ""},
			{wal, 70, 0, 0, "free up space first"}, {wal, 140, 1, 20, "not enough disk space"}, {wal, 140, 6, 30, "not enough disk space"}, {wal, 140, 12, 10, "not enough disk space"},
			{space, 70, 0, 0, "free up space first"}, {space, 80, 0, 0, "not enough disk space"}, {space, 78, 0, 0, "not enough disk space"}, {space, 130, 15, 30, "not enough disk space"},
			{files, 12, 0, 0, "free"}, {files, 34, 1, 0, "free up space there and restore again"}, {files, 34, 8, 0, "free up space there and restore again"}, {files, 34, 16, 0, "free up space there and restore again"},
			{backups, 2, 0, 0, "free"}, {backups, 60, 1, 0, "free up space there or set BACKUP_DIR"}, {backups, 60, 12, 0, "free up space there or set BACKUP_DIR"},
		} {
			var err error
			// Work that has ended before its disk was full shows nothing.
			for try := 0; try == 0 || err == nil && p.written > 0 && try < 20; try++ {
				if try > 0 {
					undo(p)
				}
				if err := p.disk.leave(p.free << 20); err != nil {
					t.Fatal(err)
				}
				written := func() int64 { return -p.disk.free() }
				if p.disk == wal {
					// The server writes over old files, too, which takes no room.
					written = func() (n int64) {
						_ = look.QueryRow(ctx, `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8`).Scan(&n)
						return n
					}
				}
				taken := p.fill(written)
				err = run(p)
				if err := taken(); err != nil {
					t.Fatal(err)
				}
			}
			said := "done"
			if err != nil {
				said = err.Error()
			}
			table += fmt.Sprintf("| %s | %d MiB, %d left once %d are written | %s |\n", names[p.disk], p.free, p.left, p.written, said)
			if p.ends == "" && err != nil || p.ends != "" && (err == nil || !strings.Contains(err.Error(), p.ends)) {
				t.Errorf("%s, %+v: %v", names[p.disk], p, err)
			}
			if err := os.Remove(p.disk.ballast()); err != nil {
				t.Fatal(err)
			}
			if n := odoodbtest.Value[int](t, s, "live", `SELECT count(*) FROM res_users`); n != 2 {
				t.Errorf("%d rows", n)
			}
			odoodbtest.NoLeftovers(t, s)
			if left, _ := filepath.Glob(filepath.Join(string(backups), "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if n := odoodbtest.Value[int](t, s, "shop", `SELECT count(*)::int FROM pg_tables WHERE tablename = 'kept'`); n != 1 {
				t.Error("the database that was not replaced is another one")
			}
			if err == nil {
				if err := odoodbtest.DropAll(s, "big"); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Log("\n" + table)
		if log := c.Log(); strings.Contains(log, "PANIC") || strings.Contains(log, "No space left on device") {
			t.Error("the server's disk was full")
		}
		if now := odoodbtest.Value[time.Time](t, s, server.Maintenance, `SELECT pg_postmaster_start_time()`); !now.Equal(started) {
			t.Errorf("the server was started again, at %v", now)
		}
		for _, name := range []string{"big", "shop"} {
			if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: name}); err != nil {
				t.Errorf("with space, %s: %v", name, err)
			}
		}
	})
}

// fill takes what is free once the work has written so much; what it returns ends that.
func (p point) fill(written func() int64) func() error {
	watching, end := context.WithCancel(ctx)
	taken, before := make(chan error, 1), written()
	go func() {
		for watching.Err() == nil && p.written > 0 {
			if written()-before >= p.written<<20 {
				taken <- p.disk.leave(p.left << 20)
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
		taken <- nil
	}()
	return func() error {
		end()
		return <-taken
	}
}

// moveLog moves the log of a server that is stopped to another disk.
func moveLog(t *testing.T, from, to string) {
	t.Helper()
	st, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	owner := st.Sys().(*syscall.Stat_t)
	if err := errors.Join(os.CopyFS(to, os.DirFS(from)), os.RemoveAll(from), os.Symlink(to, from)); err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(to, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(path, int(owner.Uid), int(owner.Gid)))
	})
	if err := errors.Join(err, os.Chmod(to, 0o700)); err != nil {
		t.Fatal(err)
	}
}

// bigArchive has a table with seven indexes, and a file store of so many files of a MiB.
func bigArchive(t *testing.T, rows, files int) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprint(&b, "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.1\n-- Dumped by pg_dump version 15.1\n\n",
		"CREATE TABLE public.ir_module_module (name varchar, state varchar, latest_version varchar);\nINSERT INTO public.ir_module_module VALUES ('base', 'installed', '18.0.1.3');\n",
		"CREATE TABLE public.ir_attachment (id integer, store_fname varchar, file_size integer);\n")
	path := filepath.Join(t.TempDir(), "big.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, noise := zip.NewWriter(f), rand.NewChaCha8([32]byte{})
	for i := range files {
		content := make([]byte, 1<<20)
		_, _ = noise.Read(content)
		sum := fmt.Sprintf("%x", sha1.Sum(content))
		fmt.Fprintf(&b, "INSERT INTO public.ir_attachment VALUES (%d, '%s/%s', %d);\n", i, sum[:2], sum, len(content))
		e, err := w.CreateHeader(&zip.FileHeader{Name: "filestore/" + sum[:2] + "/" + sum})
		if err == nil {
			_, err = e.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(&b, "CREATE TABLE public.aml (id integer, a integer, b integer, c integer, d text, e text);\nCOPY public.aml (id, a, b, c, d, e) FROM stdin;\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d\t%d\t%d\t%d\tINV/2026/%08d\tline of move %d\n", i, i*7%10007, i*13%997, i%31, i, i)
	}
	fmt.Fprint(&b, "\\.\n\nALTER TABLE ONLY public.aml ADD CONSTRAINT aml_pkey PRIMARY KEY (id);\n")
	for _, c := range []string{"a", "b", "c", "d", "e", "a, d"} {
		fmt.Fprintf(&b, "CREATE INDEX \"by %s\" ON public.aml USING btree (%s);\n", c, c)
	}
	fmt.Fprint(&b, "--\n"+sqldump.Trailer+"\n--\n")
	e, err := w.Create("dump.sql")
	if err == nil {
		_, err = e.Write(b.Bytes())
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
