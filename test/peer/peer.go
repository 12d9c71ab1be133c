// Package peer takes PostgreSQL's place on the network and is none:
// it has no TLS and asks for the password in clear, as somebody on the way
// would.
package peer

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// WithoutTLS listens until it is closed.
type WithoutTLS struct {
	l  net.Listener
	mu sync.Mutex
	// received is everything that clients have sent, their questions for TLS
	// left out.
	received bytes.Buffer
	asked    int
}

// Listen starts one at addr, "127.0.0.1:0" for any port.
func Listen(addr string) (*WithoutTLS, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &WithoutTLS{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p, nil
}

// Addr is host:port.
func (p *WithoutTLS) Addr() string { return p.l.Addr().String() }

// Close ends it.
func (p *WithoutTLS) Close() error { return p.l.Close() }

// Received is what clients have sent without TLS, and Asked how often they have
// asked for TLS.
func (p *WithoutTLS) Received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received.String()
}

func (p *WithoutTLS) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

func (p *WithoutTLS) serve(c net.Conn) {
	defer c.Close()
	for {
		var head [8]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		code := binary.BigEndian.Uint32(head[4:])
		if code == sslRequest || code == gssEncRequest {
			p.mu.Lock()
			p.asked++
			p.mu.Unlock()
			c.Write([]byte("N"))
			continue
		}
		p.keep(head[:])
		n := binary.BigEndian.Uint32(head[:])
		if n < 8 || n > 1<<16 {
			return
		}
		startup := make([]byte, n-8)
		if _, err := io.ReadFull(c, startup); err != nil {
			return
		}
		p.keep(startup)
		break
	}
	// AuthenticationCleartextPassword.
	c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
	buf := make([]byte, 4096)
	n, _ := c.Read(buf)
	p.keep(buf[:n])
}

func (p *WithoutTLS) keep(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.received.Len() < 1<<20 {
		p.received.Write(b)
	}
}
