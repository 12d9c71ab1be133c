package odoodb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/wording"
)

// openSQL gives an archive as plain SQL: dump.sql itself, or what the server's
// own pg_restore makes of the custom format, to which restoreArgs are passed.
// Both formats then take one and the same way into the database.
func (s *Server) openSQL(ctx context.Context, a *archive.Archive, restoreArgs ...string) (io.ReadCloser, error) {
	if a.Format != archive.Dump {
		return a.SQL()
	}
	raw, err := a.Raw()
	if err != nil {
		return nil, err
	}
	out, err := s.output(ctx, engine.Command{
		Argv:  append([]string{"pg_restore", "--no-owner", "-f", "-"}, restoreArgs...),
		Stdin: raw,
	})
	if err != nil {
		raw.Close()
		return nil, err
	}
	out.input = raw
	return out, nil
}

// output starts a program and gives its standard output.
func (s *Server) output(ctx context.Context, cmd engine.Command) (*programOutput, error) {
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &programOutput{name: cmd.Argv[0], r: pr, cancel: cancel, ended: make(chan struct{})}
	cmd.Stdout = pw
	go func() {
		defer close(p.ended)
		p.err = s.Programs.Command(ctx, cmd)
		pw.Close()
	}()
	return p, nil
}

// programOutput is a program's standard output. Its end is the end only if the
// program says that all went well.
type programOutput struct {
	name   string
	r      *os.File
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	// input is closed when the program has ended, nil for none.
	input io.Closer
}

// silence is how long a program may go without a byte: longer than pg_dump
// waits for anything but a lock that nobody gives up.
const silence = 30 * time.Minute

func (p *programOutput) Read(b []byte) (int, error) {
	_ = p.r.SetReadDeadline(time.Now().Add(silence)) // pipes have them
	n, err := p.r.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.cancel()
		return n, fmt.Errorf("%s has written nothing for %s", p.name, silence)
	}
	if err == io.EOF {
		<-p.ended
		if p.err != nil {
			err = p.err
		}
	}
	return n, err
}

// Close ends the program if it still runs.
func (p *programOutput) Close() error {
	p.cancel()
	err := p.r.Close()
	<-p.ended
	if p.input != nil {
		p.input.Close()
	}
	return err
}

// versionTime is for a program that has to start and to say one line.
const versionTime = time.Minute

// programMajor asks a client program beside the server what it is:
// "pg_restore (PostgreSQL) 15.20 (Debian …)".
func (s *Server) programMajor(ctx context.Context, program string) (int, error) {
	out := &wording.Answer{Max: 64 << 10}
	ctx, cancel := context.WithTimeoutCause(ctx, versionTime, errors.New("it has not said its version"))
	defer cancel()
	if err := s.Programs.Command(ctx, engine.Command{Argv: []string{program, "--version"}, Stdout: out}); err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	m := programVersion.FindSubmatch(out.Bytes())
	if m == nil {
		return 0, fmt.Errorf("%s says that it is %q, which names no version", program, bytes.TrimSpace(out.Bytes()))
	}
	return strconv.Atoi(string(m[1]))
}

var programVersion = regexp.MustCompile(`([0-9]+)`)
