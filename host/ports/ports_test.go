package ports

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if Free("127.0.0.1", port) {
		t.Errorf("%d is taken, and was called free", port)
	}
	next := NextFree("127.0.0.1", port)
	if next == port || !Free("127.0.0.1", next) {
		t.Errorf("after %d came %d", port, next)
	}
	if other := NextFree("127.0.0.1", port, next); other == next || other == port {
		t.Errorf("after %d, with %d given away, came %d", port, next, other)
	}
	if who := Owner(port); !strings.HasSuffix(who, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("%d is held by %q", port, who)
	}
}
