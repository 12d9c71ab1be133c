package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

func listen(port string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:"+port) }

// person CODE ANSWERS PROGRAM ARGS… runs a program on a real pseudo-terminal
// and types the answers, one at each prompt ("> " or ": " at the end of what
// was written). ANSWERS are separated by commas; "EOF" is Ctrl-D, "INT" is
// Ctrl-C, and "LINE>>FILE" is somebody who appends to a file of the project
// before the next answer. What the terminal showed is stdout; the exit code must be CODE.
func person(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: person CODE ANSWERS PROGRAM ARGS…")
	}
	cmd := exec.Command(args[2], args[3:]...)
	if path, err := lookPath(ts, args[2]); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Dir = ts.Getenv("PWD")
	if cmd.Dir == "" {
		cmd.Dir = ts.MkAbs(".")
	}
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1", "HOME="+ts.Getenv("HOME"), "PATH="+ts.Getenv("PATH"), "DOCKER_CONFIG="+ts.Getenv("DOCKER_CONFIG"))
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	ts.Check(err)
	defer tty.Close()
	screen := &screen{}
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			screen.add(buf[:n])
			if err != nil {
				break
			}
		}
		done <- cmd.Wait()
	}()
	for _, answer := range strings.Split(args[1], ",") {
		if answer == "" || !screen.prompt(20*time.Second) {
			break
		}
		if line, file, ok := strings.Cut(answer, ">>"); ok {
			f, err := os.OpenFile(ts.MkAbs(file), os.O_APPEND|os.O_WRONLY, 0)
			ts.Check(err)
			_, err = fmt.Fprintln(f, line)
			ts.Check(errors.Join(err, f.Close()))
			screen.again()
			continue
		}
		switch answer {
		case "EOF":
			tty.Write([]byte{4})
		case "INT":
			tty.Write([]byte{3})
		default:
			fmt.Fprintf(tty, "%s\n", answer)
		}
	}
	select {
	case err = <-done:
	case <-time.After(2 * time.Minute):
		cmd.Process.Kill()
		ts.Fatalf("the program did not end; the terminal showed:\n%s", screen)
	}
	// A line that shows how long something takes is gone again, for a person too.
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(passing.ReplaceAllString(screen.String(), ""), "\r\n", "\n"))
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s; the terminal showed:\n%s", code, args[0], screen)
	}
}

var passing = regexp.MustCompile(`\r\x1b\[K([^\r\n]* … [0-9ms]+)?`)

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
		if info, err := os.Stat(dir + "/" + name); err == nil && !info.IsDir() {
			return dir + "/" + name, nil
		}
	}
	return "", os.ErrNotExist
}

type screen struct {
	mu   sync.Mutex
	b    bytes.Buffer
	seen int
}

func (s *screen) add(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// again lets the last question be answered once more.
func (s *screen) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = 0
}

// prompt waits for a new question.
func (s *screen) prompt(limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		text := s.b.String()
		ready := len(text) > s.seen && (strings.HasSuffix(text, "> ") || strings.HasSuffix(text, ": "))
		if ready {
			s.seen = len(text)
		}
		s.mu.Unlock()
		if ready {
			return true
		}
	}
	return false
}
