package pglogin

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// portWait is how long asking a port may take, for a host that is not this
// one: the loopback interface answers at once.
var portWait = unix.Timeval{Usec: 10_000}

// portProbe asks the kernel alone whether a TCP port refuses. It is the whole
// cost of waiting for a server that is not there: net.Dialer needs several
// goroutines, timers and contexts for the same answer. Linux lets a socket
// whose connection was refused connect again, so that each question is a
// single system call.
type portProbe struct {
	fd int
	sa unix.Sockaddr
}

// newPortProbe gives nil where the kernel cannot be asked this way.
func newPortProbe(addr string) *portProbe {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || ap.Addr().Zone() != "" {
		return nil
	}
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if a := ap.Addr().Unmap(); a.Is4() {
		sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(ap.Port()), Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	// It bounds connect, too (socket(7)).
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &portWait); err != nil {
		unix.Close(fd)
		return nil
	}
	return &portProbe{fd, sa}
}

// ask says whether the port refuses. conn is set where it accepted. The probe
// is used up where refused is false.
func (p *portProbe) ask() (conn net.Conn, refused bool) {
	err := unix.Connect(p.fd, p.sa)
	if err == unix.ECONNREFUSED {
		return nil, true
	}
	defer p.close()
	if err != nil {
		return nil, false
	}
	unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{})
	f := os.NewFile(uintptr(p.fd), "tcp")
	p.fd = -1
	defer f.Close()
	conn, err = net.FileConn(f)
	if err != nil {
		return nil, false
	}
	return conn, false
}

func (p *portProbe) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}
