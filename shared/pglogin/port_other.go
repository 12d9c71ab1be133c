//go:build !linux

package pglogin

import "net"

// portProbe exists on Linux alone; elsewhere an attempt is made instead.
type portProbe struct{}

func newPortProbe(string) *portProbe { return nil }

func (*portProbe) ask() (net.Conn, bool) { return nil, false }

func (*portProbe) close() {}
