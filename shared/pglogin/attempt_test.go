package pglogin

import (
	"errors"
	"io"
	"net"
	"testing"
)

// TestForeignStays: pgconn dials once more in the background when a connection
// has broken. What the peer has answered before is not forgotten with that.
func TestForeignStays(t *testing.T) {
	a := newAttempt(&host{prober: &prober{}})
	web := &spyConn{addr: "127.0.0.1:80", a: a, count: 5}
	copy(web.head[:], "HTTP/")
	a.connected(web)
	a.connected(&spyConn{addr: "127.0.0.1:80", a: a})
	if !a.foreign() {
		t.Error("a web server was forgotten")
	}
	a.connected(&spyConn{addr: "127.0.0.1:5432", a: a})
	if a.foreign() {
		t.Error("another address is not the web server")
	}
}

// TestReasonAfterReset: a server that refuses a client's certificate has often closed the
// connection before the next message goes out. What it said is read nevertheless.
func TestReasonAfterReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	const said = "Eits reason"
	if _, err := server.Write([]byte(said)); err != nil {
		t.Fatal(err)
	}
	// Closed with a reset, as where something was not read.
	if err := errors.Join(server.(*net.TCPConn).SetLinger(0), server.Close()); err != nil {
		t.Fatal(err)
	}
	c := &spyConn{Conn: conn, a: newAttempt(&host{prober: &prober{}})}
	if _, err := c.Write([]byte("the next message")); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c); string(got) != said {
		t.Errorf("%q", got)
	}
}
