package main

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// wrong is what a connection meets instead of a server, or on the way to it.
type wrong struct {
	name string
	// meets has the connection until it returns.
	meets func(c *net.TCPConn, to string)
	// server: the server itself is behind it, and all of a login may come through.
	// mute: nothing in it says that there is no PostgreSQL, or that it refuses.
	server, mute bool
}

// proxy listens in a server's place. The first so many connections meet what is
// wrong, all of them where that is negative; the others meet the server.
type proxy struct {
	l     net.Listener
	count atomic.Int64
}

func newProxy(to string, first int, w wrong) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := p.count.Add(1)
			go func() {
				defer c.Close()
				if first < 0 || int(n) <= first {
					w.meets(c.(*net.TCPConn), to)
				} else {
					pass(c, to, -1, 0)
				}
			}()
		}
	}()
	return p, nil
}

func (p *proxy) port() string { return strconv.Itoa(p.l.Addr().(*net.TCPAddr).Port) }

// pass is a proxy that lets most bytes of the server through, all where most
// is negative, with a pause before each where there is one.
func pass(c net.Conn, to string, most int, pause time.Duration) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { io.Copy(server, c); server.Close() }()
	switch {
	case pause > 0:
		one := make([]byte, 1)
		for n := 0; n != most; n++ {
			if _, err := server.Read(one); err != nil {
				return
			}
			time.Sleep(pause)
			if _, err := c.Write(one); err != nil {
				return
			}
		}
	case most < 0:
		io.Copy(c, server)
	default:
		io.CopyN(c, server, int64(most))
	}
}

// hold keeps a connection and says nothing until the other end goes.
func hold(c net.Conn) { io.Copy(io.Discard, c) }

func reset(c *net.TCPConn) { c.SetLinger(0) }

// greets says something, at once or once it was spoken to.
func greets(name, words string, first bool) wrong {
	return wrong{name: name, meets: func(c *net.TCPConn, _ string) {
		if !first {
			c.Read(make([]byte, 8))
		}
		io.WriteString(c, words)
		c.Read(make([]byte, 1000))
	}}
}

// wrongs are those that do not depend on chance.
func wrongs(cert tls.Certificate) []wrong {
	afterS := func(name string, then func(c *net.TCPConn)) wrong {
		return wrong{name: "TLS, then " + name, meets: func(c *net.TCPConn, _ string) {
			c.Read(make([]byte, 8))
			io.WriteString(c, "S")
			then(c)
		}}
	}
	own := func(conf *tls.Config) func(c *net.TCPConn) {
		conf.Certificates = []tls.Certificate{cert}
		return func(c *net.TCPConn) {
			t := tls.Server(c, conf)
			if t.Handshake() == nil {
				io.WriteString(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
			}
		}
	}
	return []wrong{
		{name: "closed at once", meets: func(*net.TCPConn, string) {}, mute: true},
		{name: "reset at once", meets: func(c *net.TCPConn, _ string) { reset(c) }, mute: true},
		{name: "reset after the first bytes", meets: func(c *net.TCPConn, _ string) { c.Read(make([]byte, 8)); reset(c) }, mute: true},
		{name: "silence", meets: func(c *net.TCPConn, _ string) { hold(c) }, mute: true},
		greets("HTTP", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", false),
		greets("SSH", "SSH-2.0-OpenSSH_9.2p1\r\n", true),
		greets("SMTP", "220 mail.example.com ESMTP\r\n", true),
		greets("Redis", "-ERR unknown command\r\n", false),
		greets("MySQL", "\x4a\x00\x00\x00\x0a8.0.36\x00\x01\x00\x00\x00", true),
		greets("no TLS and then nothing", "N", false),
		greets("an error of an old server", "EFATAL:  unsupported frontend protocol\x00", false),
		greets("an answer that no server gives", "X", false),
		greets("an endless length", "R\x7f\xff\xff\xff", false),
		greets("a negative length", "R\xff\xff\xff\xff", false),
		greets("a length of nothing", "R\x00\x00\x00\x00", false),
		greets("an unknown way to authenticate", "R\x00\x00\x00\x08\x00\x00\x03\xe7", false),
		greets("a password in clear, please", "R\x00\x00\x00\x08\x00\x00\x00\x03", false),
		greets("authenticated, without being asked", "R\x00\x00\x00\x08\x00\x00\x00\x00", false),
		greets("an error without an end", "E\x00\x00\x10\x00SFATAL\x00C28P01\x00", false),
		greets("no TLS, and more in the same breath", "NR\x00\x00\x00\x08\x00\x00\x00\x00", false),
		greets("TLS, and more in the same breath", "SR\x00\x00\x00\x08\x00\x00\x00\x00", false),
		afterS("nothing", func(c *net.TCPConn) { hold(c) }),
		afterS("closed", func(*net.TCPConn) {}),
		afterS("reset", reset),
		afterS("in clear", func(c *net.TCPConn) { io.WriteString(c, "R\x00\x00\x00\x08\x00\x00\x00\x00"); hold(c) }),
		afterS("an alert", func(c *net.TCPConn) { io.WriteString(c, "\x15\x03\x01\x00\x02\x02\x28"); hold(c) }),
		afterS("a certificate of nobody's, HTTP behind it", own(&tls.Config{})),
		afterS("TLS 1.0", own(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10})), //nolint:staticcheck // an old server
		afterS("a certificate is asked for", own(&tls.Config{ClientAuth: tls.RequireAnyClientCert})),
	}
}

// chance is a connection to the server itself that something happens to.
func chance(rng *rand.Rand) wrong {
	most, garbage := rng.IntN(600), rng.IntN(255)
	switch rng.IntN(5) {
	case 0:
		return wrong{name: "closed after " + strconv.Itoa(most) + " bytes", server: true, meets: func(c *net.TCPConn, to string) { pass(c, to, most, 0) }}
	case 1:
		return wrong{name: "reset after " + strconv.Itoa(most) + " bytes", server: true, meets: func(c *net.TCPConn, to string) { pass(c, to, most, 0); reset(c) }}
	case 2:
		return wrong{name: "silent after " + strconv.Itoa(most) + " bytes", server: true, meets: func(c *net.TCPConn, to string) { pass(c, to, most, 0); hold(c) }}
	case 3:
		return wrong{name: "a byte in 50 ms", server: true, meets: func(c *net.TCPConn, to string) { pass(c, to, -1, 50*time.Millisecond) }}
	}
	return wrong{name: "garbage after " + strconv.Itoa(most) + " bytes", server: true, meets: func(c *net.TCPConn, to string) {
		pass(c, to, most, 0)
		for range 100 {
			if _, err := c.Write([]byte{byte(garbage), 0, 0, 0, byte(most)}); err != nil {
				return
			}
		}
	}}
}
