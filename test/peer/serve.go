package peer

import (
	"net"
	"testing"
)

// Serve listens on this machine until the test ends, and treats every connection to f,
// which closes it or leaves it open.
func Serve(t testing.TB, f func(net.Conn)) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c)
		}
	}()
	return l.Addr().(*net.TCPAddr)
}
