package pglogin

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestAddressThatDoesNotAnswer: a name may lead to several machines, or to one by IPv6
// and IPv4, and libpq goes on to the next address where one does not answer in time.
func TestAddressThatDoesNotAnswer(t *testing.T) {
	answering, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer answering.Close()
	go func() {
		for {
			c, err := answering.Accept()
			if err != nil {
				return
			}
			// What a server says that is starting up.
			c.Write([]byte("E\x00\x00\x00\x24SFATAL\x00VFATAL\x00C57P03\x00Mstarting\x00\x00"))
			c.Close()
		}
	}()
	port := answering.Addr().(*net.TCPAddr).Port
	at := func(ip string) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
	listenOnly(t, [4]byte{127, 0, 0, 2}, port, 8)
	listenOnly(t, [4]byte{127, 0, 0, 3}, port, 0)
	// Whoever comes when the queue is full gets no answer at all.
	for range 3 {
		if c, err := net.DialTimeout("tcp", at("127.0.0.3"), 100*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	for name, silent := range map[string]string{"accepts and says nothing": "127.0.0.2", "does not accept": "127.0.0.3"} {
		t.Run(name, func(t *testing.T) {
			p, err := newProber(Config{Host: "pg", Port: port, User: "odoo", SSLMode: "disable", AttemptTimeout: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			p.lookup.resolve = func(context.Context, string) ([]string, error) { return []string{silent, "127.0.0.1"}, nil }
			h := p.hosts[0]
			h.ask(t.Context())
			h.due = time.Time{}
			if _, err := h.ask(t.Context()); err.Reason != StartingUp {
				t.Errorf("the address that answers was not asked: %v", err)
			}
			if !h.muted[at(silent)] {
				t.Errorf("what does not answer was not noted: %v", h.muted)
			}
		})
	}
}

// listenOnly listens and accepts nothing: the kernel does so for as many as the queue holds.
func listenOnly(t *testing.T, ip [4]byte, port, queue int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip, Port: port})
	}
	if err == nil {
		err = syscall.Listen(fd, queue)
	}
	if err != nil {
		t.Fatal(err)
	}
}
