package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// What a server may take and say, or whoever answers in its place: an address
// on a network, or a program in a container that somebody has replaced.
const (
	// loginTime is for the whole login, the dialling included.
	loginTime = time.Minute
	// messageTime is for one message from its first byte to its last, and a
	// second more for every MiB that it has.
	messageTime = 15 * time.Second
	// messageSize is more than a row has that odpm asks for.
	messageSize = 64 << 20
	// noticeSize is what all notices of a session may have: a restore has a
	// few for each object.
	noticeSize = 64 << 20
)

// connectGuarded is pgx.ConnectConfig with those limits.
func connectGuarded(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &guarded{Conn: c, time: messageTime}, nil
	}
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(messageSize)
		return f
	}
	limit, cancel := context.WithTimeoutCause(ctx, loginTime, fmt.Errorf("no answer to the login within %s", loginTime))
	defer cancel()
	type outcome struct {
		conn *pgx.Conn
		err  error
	}
	end := make(chan outcome, 1)
	go func() {
		conn, err := pgx.ConnectConfig(limit, cfg)
		end <- outcome{conn, err}
	}()
	select {
	case o := <-end:
		if o.err != nil && ctx.Err() == nil && limit.Err() != nil {
			return nil, context.Cause(limit)
		}
		return o.conn, o.err
	case <-limit.Done():
	}
	// What waits for the network has ended by now. A server that wants millions
	// of iterations for a password's proof has it computed in vain.
	select {
	case o := <-end:
		if o.conn != nil {
			return o.conn, nil
		}
	case <-time.After(100 * time.Millisecond):
		go func() {
			if o := <-end; o.conn != nil {
				o.conn.PgConn().Conn().Close()
			}
		}()
	}
	return nil, context.Cause(limit)
}

// guarded is a connection whose server sends whole messages in time, and no
// notices without end. It only follows the frames: a type, four bytes of
// length, which count themselves, and a body.
type guarded struct {
	net.Conn
	time time.Duration

	mu sync.Mutex
	// deadline is the owner's; ours is that of a message that is not whole yet,
	// and is changed by the reader alone.
	deadline, ours time.Time

	head    [5]byte
	have    int   // bytes of head
	left    int64 // bytes of the body that are still to come
	notices int64
	err     error
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.Conn.Read(p)
	g.follow(p[:n])
	if g.err != nil {
		return 0, g.err
	}
	if err != nil && g.late() {
		return n, fmt.Errorf("the server began a message and has not ended it within %s", g.time)
	}
	return n, err
}

// follow takes what was read, and gives a message that is not whole its time.
func (g *guarded) follow(p []byte) {
	began := false
	for len(p) > 0 {
		if g.have < len(g.head) {
			began = began || g.have == 0
			n := copy(g.head[g.have:], p)
			g.have, p = g.have+n, p[n:]
			if g.have < len(g.head) {
				break
			}
			g.left = int64(binary.BigEndian.Uint32(g.head[1:])) - 4
			switch g.head[0] {
			case 'N', 'S', 'A': // notices, parameters, notifications: nobody has asked
				if g.notices += max(g.left, 0) + int64(len(g.head)); g.notices > noticeSize {
					g.err = fmt.Errorf("the server sends notices without end, %d MiB of them by now", g.notices>>20)
					return
				}
			}
		}
		n := min(max(g.left, 0), int64(len(p)))
		g.left, p = g.left-n, p[n:]
		if g.left <= 0 {
			g.have, g.left, began = 0, 0, false
		}
	}
	switch {
	case g.have == 0 && !g.ours.IsZero():
		g.set(func() { g.ours = time.Time{} })
	case began:
		more := time.Duration(min(g.left, messageSize)>>20) * time.Second
		g.set(func() { g.ours = time.Now().Add(g.time + more) })
	}
}

func (g *guarded) late() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.ours.IsZero() && !time.Now().Before(g.ours)
}

func (g *guarded) SetDeadline(t time.Time) error {
	return errors.Join(g.SetReadDeadline(t), g.Conn.SetWriteDeadline(t))
}

func (g *guarded) SetReadDeadline(t time.Time) error { return g.set(func() { g.deadline = t }) }

// set changes a deadline; the sooner one counts.
func (g *guarded) set(change func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	t := g.deadline
	if t.IsZero() || !g.ours.IsZero() && g.ours.Before(t) {
		t = g.ours
	}
	return g.Conn.SetReadDeadline(t)
}
