package restore_test

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// bigDump is an archive with a table of so many rows and seven indexes, which is
// three and a half times as large in a database as in the dump.
func bigDump(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	e, err := w.Create("dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(e, "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.1\n-- Dumped by pg_dump version 15.1\n\n",
		"CREATE TABLE public.ir_module_module (name varchar, state varchar, latest_version varchar);\nINSERT INTO public.ir_module_module VALUES ('base', 'installed', '18.0.1.3');\n",
		"CREATE TABLE public.aml (id integer, a integer, b integer, c integer, d text, e text);\nCOPY public.aml (id, a, b, c, d, e) FROM stdin;\n")
	for i := range rows {
		fmt.Fprintf(e, "%d\t%d\t%d\t%d\tINV/2026/%08d\tline of move %d\n", i, i*7%10007, i*13%997, i%31, i, i)
	}
	fmt.Fprint(e, "\\.\n\nALTER TABLE ONLY public.aml ADD CONSTRAINT aml_pkey PRIMARY KEY (id);\n")
	for _, c := range []string{"a", "b", "c", "d", "e", "a, d"} {
		fmt.Fprintf(e, "CREATE INDEX \"by %s\" ON public.aml USING btree (%s);\n", c, c)
	}
	fmt.Fprint(e, "--\n"+sqldump.Trailer+"\n--\n")
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFullDisk: on a disk that is too small a restore stops itself, and the server
// with its other databases stays up. Before, PostgreSQL could not write its log,
// went down, and did not come up again.
func TestFullDisk(t *testing.T) {
	file := bigDump(t, 350_000)
	if os.Geteuid() != 0 {
		// Mounting takes root.
		return
	}
	disk, err := os.MkdirTemp("", "odpm-disk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("odpm-test", disk, "tmpfs", 0, "size=150m,mode=0777"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(disk, 0), os.Remove(disk)); err != nil {
			t.Error(err)
		}
	})
	t.Run("restore", func(t *testing.T) {
		s, c, _ := odoodbtest.LegacyServerIn(t, disk, 15, "")
		odoodbtest.OldOdoo(t, s, "live", "18.0.1.3")
		_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "big"})
		if err == nil || !strings.Contains(err.Error(), "not enough disk space") {
			t.Errorf("got %v", err)
		}
		if log := c.Log(); strings.Contains(log, "PANIC") || strings.Contains(log, "No space left on device") {
			t.Error("the disk was full")
		}
		if n := odoodbtest.Value[int](t, s, "live", `SELECT count(*) FROM res_users`); n != 2 {
			t.Errorf("%d rows", n)
		}
		odoodbtest.NoLeftovers(t, s)
		// What certainly does not fit is not begun.
		if err := os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, 60<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: "big"}); err == nil || !strings.Contains(err.Error(), "free up space first") {
			t.Errorf("got %v", err)
		}
	})
}
