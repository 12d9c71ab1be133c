package main_test

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal runs the checker with a pseudo-terminal as its standard error and
// gives what it wrote there.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"PATH=" + binDir + ":/usr/bin:/bin"}, env...)
	cmd.Stderr = tty
	done := make(chan []byte)
	go func() {
		var b bytes.Buffer
		io.Copy(&b, master)
		done <- b.Bytes()
	}()
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	tty.Close()
	select {
	case b := <-done:
		return string(b)
	case <-time.After(time.Minute):
		t.Fatal("the terminal was not closed")
		return ""
	}
}

// TestLogOnATerminal: one readable line each, with colour unless NO_COLOR.
func TestLogOnATerminal(t *testing.T) {
	c := server(t)
	text := onTerminal(t, connection(c), "--", "true")
	if !strings.Contains(text, "\x1b[") || !strings.Contains(text, "login proven") || strings.Contains(text, "level=") {
		t.Errorf("%q", text)
	}
	if n := strings.Count(text, "\n"); n != 2 {
		t.Errorf("%d lines: %q", n, text)
	}
	if text = onTerminal(t, append(connection(c), "NO_COLOR=1"), "--", "true"); strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
	if text = onTerminal(t, connection(c), "--log-format", "json", "--", "true"); !strings.HasPrefix(text, "{") {
		t.Errorf("%q", text)
	}
}
