// Package ports looks at this machine's TCP ports: which is free, and who has
// one that is not.
package ports

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"syscall"
)

// Free tells whether a server could listen there.
func Free(bind string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(bind, strconv.Itoa(port)))
	if err != nil {
		// An address that this machine does not have is reported by the engine.
		return !errors.Is(err, syscall.EADDRINUSE)
	}
	l.Close()
	return true
}

// NextFree proposes the next port that is free, and none of those that are
// given already.
func NextFree(bind string, port int, given ...int) int {
	for n := port + 1; n < port+200 && n < 65536; n++ {
		if !slices.Contains(given, n) && Free(bind, n) {
			return n
		}
	}
	return port + 1
}
