// Package wiretap listens in to what odpm sends to a PostgreSQL server: who
// logs in where with what in the startup packet, and every statement.
package wiretap

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"sync"

	"github.com/odpm/odpm/host/engine"
)

// Tap is a server whose connections are listened in to.
type Tap struct {
	engine.Remote

	mu       sync.Mutex
	sent     []Statement
	commands []engine.Command
}

// Statement is one as it was sent.
type Statement struct {
	// Startup is the session's startup packet, user and database among it.
	Startup map[string]string
	SQL     string
}

// On taps a server.
func On(pg engine.Remote) *Tap { return &Tap{Remote: pg} }

// Statements are those that were sent so far.
func (t *Tap) Statements() []Statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Statement(nil), t.sent...)
}

// Commands are the client programs that were run so far.
func (t *Tap) Commands() []engine.Command {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]engine.Command(nil), t.commands...)
}

// Dial opens a connection that is listened in to.
func (t *Tap) Dial(ctx context.Context) (net.Conn, error) {
	c, err := t.Remote.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, tap: t}, nil
}

// Command notes the program.
func (t *Tap) Command(ctx context.Context, c engine.Command) error {
	t.mu.Lock()
	t.commands = append(t.commands, c)
	t.mu.Unlock()
	return t.Remote.Command(ctx, c)
}

type conn struct {
	net.Conn
	tap     *Tap
	buf     []byte
	startup map[string]string
}

func (c *conn) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p...)
	for c.message() {
	}
	return c.Conn.Write(p)
}

// message takes one off the buffer; false where it is not complete yet.
func (c *conn) message() bool {
	head := 1 // the message's type, which the first one has not
	if c.startup == nil {
		head = 0
	}
	if len(c.buf) < head+4 {
		return false
	}
	n := head + int(binary.BigEndian.Uint32(c.buf[head:]))
	if len(c.buf) < n {
		return false
	}
	kind, body := c.buf[0], c.buf[head+4:n]
	c.buf = c.buf[n:]
	switch {
	case c.startup == nil:
		if binary.BigEndian.Uint32(body)>>16 != 3 {
			return true // a request to cancel, or for TLS
		}
		c.startup = map[string]string{}
		words := bytes.Split(body[4:], []byte{0})
		for i := 0; i+1 < len(words) && len(words[i]) > 0; i += 2 {
			c.startup[string(words[i])] = string(words[i+1])
		}
	case kind == 'Q':
		c.say(bytes.TrimSuffix(body, []byte{0}))
	case kind == 'P':
		_, rest, _ := bytes.Cut(body, []byte{0})
		sql, _, _ := bytes.Cut(rest, []byte{0})
		c.say(sql)
	}
	return true
}

func (c *conn) say(sql []byte) {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.sent = append(c.tap.sent, Statement{c.startup, string(sql)})
}
