package ui

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal gives a Terminal, and what its screen was sent as soon as that holds
// a text.
func onTerminal(t *testing.T, o Options) (*Terminal, func(want string) string) {
	t.Helper()
	person, program, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close(); person.Close() })
	if err := pty.Setsize(program, &pty.Winsize{Rows: 50, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	sent := make(chan string)
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := person.Read(buf)
			if err != nil {
				close(sent)
				return
			}
			sent <- string(buf[:n])
		}
	}()
	var all strings.Builder
	return New(program, program, program, o), func(want string) string {
		t.Helper()
		for limit := time.After(30 * time.Second); !strings.Contains(all.String(), want); {
			select {
			case s := <-sent:
				all.WriteString(s)
			case <-limit:
				t.Fatalf("no %q in %q", want, all.String())
			}
		}
		return all.String()
	}
}

// TestAlive: on a terminal work that takes longer shows that it is going on, in a
// line that is gone when something else is said.
func TestAlive(t *testing.T) {
	t.Setenv("TERM", "xterm")
	term, screen := onTerminal(t, Options{Color: "never"})
	began := time.Now()
	term.Step("pulling odoo:18.0")
	end := term.Alive()
	got := screen("  … 3s")
	if !strings.HasPrefix(got, "odpm: pulling odoo:18.0\r\n\r\x1b[K  … 2s\r\x1b[K  … 3s") || time.Since(began) < 2*time.Second {
		t.Errorf("%q", got)
	}
	term.Warn("it is large")
	if got = screen("large\r\n"); !strings.HasSuffix(got, "\r\x1b[Kodpm: warning: it is large\r\n") {
		t.Errorf("%q", got)
	}
	end()
	term.Say("done")
	if got = screen("done\r\n"); strings.Contains(got, "s\r\ndone") || strings.Contains(got, "sdone") {
		t.Errorf("%q", got)
	}
}

// TestWorking: what no line above has named stands beside the time.
func TestWorking(t *testing.T) {
	t.Setenv("TERM", "xterm")
	term, screen := onTerminal(t, Options{Color: "never"})
	end := term.Working("looking")
	if got := screen("… 2s"); got != "\r\x1b[Kodpm: looking … 2s" {
		t.Errorf("%q", got)
	}
	end()
	term.Say("done")
	if got := screen("done\r\n"); !strings.HasSuffix(got, "\r\x1b[Kdone\r\n") {
		t.Errorf("%q", got)
	}
}

// TestAboveBars: what is said while bars are drawn stands above them. Odoo's lines and
// the bars were written over each other.
func TestAboveBars(t *testing.T) {
	t.Setenv("TERM", "xterm")
	term, screen := onTerminal(t, Options{Color: "never"})
	p := term.NewProgress("tty")
	p.Report("rehearse shop_2026-11-27_03-16-12.zip", "verify", "B", 5, 10)
	got := screen("ETA")
	if !strings.Contains(got, "verify") || !strings.Contains(got, "[") || strings.Contains(got, "…\r\n") {
		t.Errorf("no bar beside a long name: %q", got)
	}
	term.Warn("a word")
	if got = screen("a word\r\n"); !strings.Contains(got, "\x1b[Jodpm: warning: a word\r\n") {
		t.Errorf("%q", got)
	}
	p.Report("rehearse", "indexes", "items", 26, 26)
	p.Report("rehearse", "indexes", "items", 22, 26)
	p.Report("rehearse", "verify", "B", 10, 10)
	p.Close()
	if got = screen("26/26 items"); strings.Contains(got, "22/26") {
		t.Errorf("a bar goes back: %q", got)
	}
	term.Say("done")
	screen("\r\ndone\r\n")
}

// TestAskFits: a question is broken at words, and the answer is typed behind it.
func TestAskFits(t *testing.T) {
	t.Setenv("TERM", "xterm")
	term, screen := onTerminal(t, Options{Color: "never"})
	term.ErrWidth = 40
	term.ask("--db-drop removes the database and its file store for good. Type its name to continue:")
	got := screen("continue: ")
	for line := range strings.SplitSeq(got, "\r\n") {
		if len(line) > 40 {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
}

// TestNotAlive: nobody is shown such a line who wants none, or has no terminal.
func TestNotAlive(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for name, o := range map[string]Options{"quiet": {Quiet: true}, "plain": {Plain: true}, "dumb": {Getenv: func(key string) string { return map[string]string{"TERM": "dumb"}[key] }}} {
		term, screen := onTerminal(t, o)
		end := term.Alive()
		time.Sleep(aliveAfter + aliveEvery/2)
		end()
		term.Say("done")
		if got := screen("done\r\n"); got != "done\r\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	file, err := os.Create(t.TempDir() + "/err")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	New(file, file, file, Options{}).Alive()()
}
