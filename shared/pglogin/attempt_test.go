package pglogin

import "testing"

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
