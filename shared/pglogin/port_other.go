//go:build !linux

package pglogin

import "net"

// portAnswers knows nothing here; the ordinary dial does.
func portAnswers(string) (net.Conn, bool) { return nil, false }
