package odoodb

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

// synced runs a helper under strace and says what it did in dir, in order:
// files and the directory synced, and what gets a name that begins with name.
func synced(t *testing.T, cmd *exec.Cmd, dir, name string) []string {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	strace := exec.Command("strace", append([]string{"-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2,linkat"}, cmd.Args...)...)
	strace.Env = cmd.Env
	if out, err := strace.CombinedOutput(); err != nil {
		t.Fatalf("%v %s; is strace there? run: make setup", err, out)
	}
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.Lines(string(data)) {
		what := ""
		switch {
		case strings.Contains(line, "sync(") && strings.Contains(line, "<"+dir+"/"):
			what = "sync file"
		case strings.Contains(line, "sync(") && strings.Contains(line, "<"+dir+">"):
			what = "sync directory"
		case strings.Contains(line, "rename") && strings.Contains(line, `"`+filepath.Join(dir, name)),
			strings.Contains(line, "linkat(") && strings.Contains(line, "<"+dir+`>, "`+name):
			what = "named"
		}
		if what != "" {
			order = append(order, what)
		}
	}
	return order
}

// TestDurable watches the system calls: what a power cut must not take is
// synced before it gets its name, and the directory after it.
func TestDurable(t *testing.T) {
	s := odoodbtest.NewServer(t)
	oldDatabase(t, s)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.zip")
	want := []string{"sync file", "named", "sync directory"}
	if got := synced(t, helper(s, t, "backup", file, ""), dir, "a.zip"); !slices.Equal(got, want) {
		t.Errorf("an archive: %q", got)
	}
	// The journal is written several times; every time in this order.
	got := synced(t, helper(s, t, "restore", file, ""), s.StateDir, journal.RestorePrefix)
	last := len(got) - 1 // its removal
	if len(got) < 7 || last%3 != 0 || got[last] != "sync directory" {
		t.Fatalf("a journal: %q", got)
	}
	for i := 0; i < last; i += 3 {
		if !slices.Equal(got[i:i+3], want) {
			t.Errorf("a journal: %q", got)
		}
	}
}
