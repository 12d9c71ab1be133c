package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// Dial opens the server's own socket through a relay that `docker exec` runs
// as the server's user. It works where nothing is published, where pg_hba.conf
// has peer, and with an engine on another machine.
func (e *Reader) Dial(ctx context.Context) (net.Conn, error) {
	c, err := e.running(ctx)
	if err != nil {
		return nil, err
	}
	return e.dial(ctx, c)
}

func (e *Reader) dial(ctx context.Context, c *container) (net.Conn, error) {
	argv := []string{"sh", "-c", relay}
	conn := &relayConn{ended: make(chan struct{}), to: relayAddr(c.name()), limit: e.cl.answer}
	if e.cl.api.socket() != "" {
		// The relay's end shows as the stream's.
		s, err := e.cl.api.execStream(ctx, c.ID, c.osUser(), argv...)
		if err != nil {
			return nil, fmt.Errorf("reach PostgreSQL in container %s: %w", c.name(), err)
		}
		close(conn.ended)
		conn.Conn, conn.errs, conn.end = s, &s.errs, func() error { s.end(time.Second); return nil }
	} else {
		ours, theirs, err := socketpair()
		if err != nil {
			return nil, err
		}
		// Not bound to ctx: that is for the dialling, the connection lives longer.
		cmd := e.cl.command(context.WithoutCancel(ctx), append([]string{"exec", "-i", "--user", c.osUser(), c.ID}, argv...)...)
		errs := &wording.Tail{Max: 4 << 10}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, errs
		err = cmd.Start()
		theirs.Close()
		if err != nil {
			ours.Close()
			return nil, failure(ctx, []string{"exec"}, err, "")
		}
		conn.Conn, conn.errs, conn.end = ours, errs, func() error { return endClient(ours, cmd, conn.ended) }
		go func() {
			cmd.Wait()
			close(conn.ended)
		}()
	}
	if err := conn.greeting(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("reach PostgreSQL in container %s: %w", c.name(), err)
	}
	return conn, nil
}

// socketpair and not two pipes: its one end is a complete net.Conn, deadlines
// included, which pgx needs to give up a query.
func socketpair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "relay")
	theirs := os.NewFile(uintptr(fds[1]), "relay")
	conn, err := net.FileConn(mine)
	mine.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// relayConn is the connection and what carries it: the engine's own stream, or
// a docker client.
type relayConn struct {
	net.Conn
	// errs is complete when ended is closed, or the connection at its end.
	errs  *wording.Tail
	ended chan struct{}
	end   func() error
	to    relayAddr
	// limit is for the greeting.
	limit time.Duration
	once  sync.Once
}

// greeting waits for the relay's "+"; anything else is the reason.
func (c *relayConn) greeting(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("no answer within %s", c.limit))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Conn.SetReadDeadline(time.Unix(1, 0)) })
	first := make([]byte, 1)
	_, err := io.ReadFull(c.Conn, first)
	if !stop() && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && first[0] == '+' {
		return nil
	}
	var said string
	if err == nil {
		c.Conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		rest, _ := io.ReadAll(io.LimitReader(c.Conn, 4<<10))
		said = string(first) + string(rest)
	}
	select {
	case <-c.ended:
		said += "\n" + c.errs.String()
	case <-time.After(5 * time.Second):
	}
	if said = clean(said); said == "" {
		said = "the relay ended without a message"
	}
	return errors.New(strings.TrimSpace(said))
}

// Close lets the relay see the end, so that it and the backend end in order.
func (c *relayConn) Close() error {
	var err error
	c.once.Do(func() { err = c.end() })
	return err
}

// endClient ends the docker client where that takes long.
func endClient(conn net.Conn, cmd *exec.Cmd, ended <-chan struct{}) error {
	err := conn.Close()
	select {
	case <-ended:
		return err
	case <-time.After(time.Second):
	}
	cmd.Process.Kill()
	<-ended
	return err
}

func (c *relayConn) RemoteAddr() net.Addr { return c.to }

// relayAddr names the container in messages.
type relayAddr string

func (relayAddr) Network() string  { return "docker-exec" }
func (a relayAddr) String() string { return "container " + string(a) }

// Psql goes to the server's own socket in its container.
func (e *Reader) Psql(ctx context.Context, role string) string {
	line, _ := e.AsServer(ctx)
	line += "psql"
	if c, err := e.running(ctx); err == nil {
		out, err := e.cl.output(ctx, "exec", "--user", c.osUser(), c.ID, "sh", "-c", serverPlace+`echo "$port $sock"`)
		port, dir, _ := strings.Cut(strings.TrimSpace(out), " ")
		// Where psql would not find it, or the container's environment leads it elsewhere.
		if err == nil && (dir != "/var/run/postgresql" || c.env("PGHOST") != "") {
			line += " -h " + shell.Quote(dir)
		}
		if err == nil && port != cmp.Or(c.env("PGPORT"), "5432") {
			line += " -p " + shell.Quote(port)
		}
	}
	return line + " -U " + shell.Quote(role)
}

// AsServer goes through compose, by the names of this project.
func (e *Reader) AsServer(ctx context.Context) (string, bool) {
	user := "postgres"
	if c, err := e.running(ctx); err == nil {
		user = c.osUser()
	}
	return "docker compose -p " + shell.Quote(e.o.Project) + " exec -u " + shell.Quote(user) + " " + shell.Quote(e.o.Service) + " ", true
}
