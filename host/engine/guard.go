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

	"github.com/odpm/odpm/shared/libpq"
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

// AnswerTime is how long a server may take for one answer in a command that
// only asks: the sizes of all databases on a cold disk are the longest.
const AnswerTime = time.Minute

type askingKey struct{}

// Asking gives every answer in sessions that are opened with the context at
// most limit, from the question to the last byte, whatever is sent meanwhile.
// Without it an answer may take hours, as that to CREATE INDEX does.
func Asking(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, askingKey{}, limit)
}

func answerTime(ctx context.Context) time.Duration {
	limit, _ := ctx.Value(askingKey{}).(time.Duration)
	return limit
}

// connectGuarded is pgx.ConnectConfig with those limits.
func connectGuarded(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	dial, asker := cfg.DialFunc, ctx // pgx dials with a context of its own
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &guarded{Conn: c, time: messageTime, answer: answerTime(asker)}, nil
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
	// answer is the time for one answer, 0 for no limit.
	answer time.Duration

	mu sync.Mutex
	// deadline is the owner's; ours is that of a message that is not whole yet,
	// and is changed by the reader alone; due is when the answer must be there,
	// zero where nothing was asked.
	deadline, ours, due time.Time

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
	if err != nil {
		switch g.late() {
		case lateMessage:
			err = fmt.Errorf("the server did not finish a message within %s", g.time)
		case lateAnswer:
			err = fmt.Errorf("the server at %s did not answer within %s", g.RemoteAddr(), g.answer)
		}
	}
	return n, err
}

// Write starts the time for an answer. That the server has gone is left to the next
// Read to say, and why.
func (g *guarded) Write(p []byte) (int, error) {
	if g.answer > 0 {
		err := g.set(func() {
			if g.due.IsZero() {
				g.due = time.Now().Add(g.answer)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	n, err := g.Conn.Write(p)
	return libpq.Sent(p, n, err)
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
					g.err = fmt.Errorf("the server keeps sending notices (%d MiB so far)", g.notices>>20)
					return
				}
			}
		}
		n := min(max(g.left, 0), int64(len(p)))
		g.left, p = g.left-n, p[n:]
		if g.left <= 0 {
			if g.head[0] == 'Z' && g.answer > 0 { // ready for the next question
				g.set(func() { g.due = time.Time{} })
			}
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

// lateness is which of the server's times is over.
type lateness int

const (
	inTime lateness = iota
	lateMessage
	lateAnswer
)

func (g *guarded) late() lateness {
	g.mu.Lock()
	defer g.mu.Unlock()
	over := func(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }
	switch {
	case over(g.ours):
		return lateMessage
	case over(g.due):
		return lateAnswer
	}
	return inTime
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
	for _, own := range []time.Time{g.ours, g.due} {
		if t.IsZero() || !own.IsZero() && own.Before(t) {
			t = own
		}
	}
	return g.Conn.SetReadDeadline(t)
}
