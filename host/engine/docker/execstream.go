package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// execStream runs a program in a container as `docker exec -i` does, without a
// client's process between: the engine turns the connection of the question into
// the program's streams
// (https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Exec/operation/ExecStart).
func (a *api) execStream(ctx context.Context, id, user string, argv ...string) (*stream, error) {
	const verb = "exec"
	var made struct{ ID string }
	err := a.ask(ctx, verb, http.MethodPost, "/containers/"+id+"/exec", nil,
		map[string]any{"AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "User": user, "Cmd": argv}, &made)
	if err != nil {
		return nil, err
	}
	version, err := a.speaks(ctx, verb)
	if err != nil {
		return nil, err
	}
	body, _ := json.Marshal(map[string]any{"Detach": false, "Tty": false})
	req, err := http.NewRequest(http.MethodPost, "http://docker"+version+"/exec/"+made.ID+"/start", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "tcp")
	conn, err := net.DialTimeout("unix", a.socket(), a.c.answer)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", Program, verb, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	s := &stream{Conn: conn, in: bufio.NewReader(conn), errs: wording.Tail{Max: 4 << 10}}
	conn.SetDeadline(time.Now().Add(a.c.answer))
	err = s.upgrade(req)
	if !stop() && ctx.Err() != nil {
		err = fmt.Errorf("%s %s: %w", Program, verb, ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return s, nil
}

// stream is the two ends of a program's streams: what is written is its stdin,
// what is read its stdout; errs holds the end of its stderr.
type stream struct {
	net.Conn
	// mu is for in: a connection may be closed while somebody reads.
	mu   sync.Mutex
	in   *bufio.Reader
	left int
	errs wording.Tail
}

func (s *stream) upgrade(req *http.Request) error {
	if err := req.Write(s.Conn); err != nil {
		return fmt.Errorf("%s exec: %w", Program, err)
	}
	resp, err := http.ReadResponse(s.in, req)
	if err != nil {
		return fmt.Errorf("%s exec: %w", Program, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols && resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
		var said struct{ Message string }
		if json.Unmarshal(text, &said) != nil {
			said.Message = strings.TrimSpace(string(text))
		}
		return &Failure{Verb: Program + " exec", HTTP: resp.StatusCode, Stderr: wording.LastLines(clean(said.Message), 12)}
	}
	return nil
}

// frameHead is what each piece of the program's output begins with: the stream's
// number, three zeros, the length.
const frameHead = 8

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.left == 0 {
		// Looked at and not taken: a deadline in the middle loses nothing.
		head, err := s.in.Peek(frameHead)
		if err != nil {
			return 0, err
		}
		n := int(binary.BigEndian.Uint32(head[4:]))
		s.in.Discard(frameHead)
		if head[0] != 2 {
			s.left = n
			continue
		}
		if _, err := io.CopyN(&s.errs, s.in, int64(n)); err != nil {
			return 0, err
		}
	}
	n, err := s.in.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// end closes the program's stdin, and waits a moment until it has ended.
func (s *stream) end(patience time.Duration) {
	if c, ok := s.Conn.(*net.UnixConn); ok {
		c.CloseWrite()
	}
	s.Conn.SetReadDeadline(time.Now().Add(patience))
	s.mu.Lock()
	io.Copy(io.Discard, s.in)
	s.mu.Unlock()
	s.Conn.Close()
}
