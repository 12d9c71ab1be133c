package libpq

import (
	"errors"
	"syscall"
)

// Sent is the outcome of a write of b. What the peer no longer reads counts as sent, as
// in libpq's pqSendSome: a server that has refused (a TLS alert, a FATAL) closes the
// connection, and if it does so before the next message goes out, its reason is still
// there to be read. Without one the read ends with the connection.
func Sent(b []byte, n int, err error) (int, error) {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return len(b), nil
	}
	return n, err
}
