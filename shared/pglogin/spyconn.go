package pglogin

import (
	"encoding/binary"
	"net"
	"strings"
	"time"

	"github.com/odpm/odpm/shared/libpq"
)

// spyConn remembers the first bytes that the peer sent: they tell a PostgreSQL
// that has no TLS ('N') from a peer that is no PostgreSQL.
//
// After an 'N', libpq goes on without TLS on the same connection. pgx closes
// it and dials another one, which costs the server a second process; so Close
// keeps such a connection for the next dial.
type spyConn struct {
	net.Conn
	addr  string
	a     *attempt
	head  [5]byte
	count int
	// direct: TLS is begun without the question for it.
	direct bool
}

// firstMessageLimit is more than any first message of a PostgreSQL has.
const firstMessageLimit = 1 << 16

// foreign says whether what came first is not PostgreSQL's protocol: neither a
// message that may come first, with a length that it may have, nor the answer
// 'S' to the question for TLS with a TLS record behind it. An SSH server's
// banner begins with 'S' too. Where TLS is begun without the question
// (sslnegotiation=direct) its record comes first. The attempt's mu is held.
func (c *spyConn) foreign() bool {
	switch {
	case c == nil:
		return false
	case c.count == 0:
		return false
	case c.direct && c.head[0] >= 0x14 && c.head[0] <= 0x17 && (c.count == 1 || c.head[1] == 3):
		return false
	case !strings.ContainsRune("RNSEv", rune(c.head[0])):
		return true
	case c.count < len(c.head):
		return false
	}
	tlsRecord := c.head[0] == 'S' && c.head[1] >= 0x14 && c.head[1] <= 0x17 && c.head[2] == 3
	return !tlsRecord && binary.BigEndian.Uint32(c.head[1:]) > firstMessageLimit
}

// direct says whether TLS is begun without a question for it.
func (h *host) direct() bool { return h.conn.SSLNegotiation == "direct" }

func (c *spyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if n > 0 && c.count < len(c.head) {
		copy(c.head[c.count:], b[:n])
	}
	c.count += n
	if c.count > 0 {
		c.a.heard.Store(!c.foreign())
	}
	return n, err
}

// Write leaves it to the next Read to say that the peer has gone, and why.
func (c *spyConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return libpq.Sent(b, n, err)
}

func (c *spyConn) Close() error {
	c.a.mu.Lock()
	keep := !c.a.over && c.count == 1 && c.head[0] == 'N'
	if keep {
		c.count = 0
		c.a.plain.answered(c.addr)
		c.a.ready[c.addr] = c
	}
	c.a.mu.Unlock()
	if keep {
		return c.Conn.SetDeadline(time.Time{})
	}
	return c.Conn.Close()
}
