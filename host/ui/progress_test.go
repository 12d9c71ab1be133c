package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestPlainLine(t *testing.T) {
	got := plainLine("backup prod_db", "filestore", "B", 1<<30, 5<<29, 28*time.Second)
	want := "backup prod_db  filestore  40%  1.0 GiB/2.5 GiB  36.6 MiB/s  ETA 0:42"
	if got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got := plainLine("x", "indexes", "items", 3, 0, 0); got != "x  indexes  3 items" {
		t.Errorf("%q", got)
	}
}

func TestProgressOffATTY(t *testing.T) {
	var out bytes.Buffer
	term := &Terminal{Err: &out}
	p := term.NewProgress("auto")
	for i := range int64(1000) {
		p.Report("restore db", "restore", "B", i, 999)
	}
	p.Close()
	// No animation, no control characters, and the end is told once.
	if s := out.String(); strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\r\x1b") || !strings.Contains(s, "100%") {
		t.Errorf("%q", s)
	}
	out.Reset()
	p = term.NewProgress("json")
	p.Report("restore db", "restore", "B", 10, 10)
	var line struct{ Progress struct{ Phase string } }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Progress.Phase != "restore" {
		t.Errorf("%q: %v", out.String(), err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 29: "2.5 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
