package pglogin

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// portWait is how long portAnswers waits for a host that is not this one.
const portWait = 10 // milliseconds

// portAnswers asks the kernel alone whether a TCP port refuses. It is the
// whole cost of waiting for a server that is not there: net.Dialer needs
// several goroutines, timers and contexts for the same answer. conn is set
// where the port accepted; refused is false where nothing is known.
func portAnswers(addr string) (conn net.Conn, refused bool) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || ap.Addr().Zone() != "" {
		return nil, false
	}
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if a := ap.Addr().Unmap(); a.Is4() {
		sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(ap.Port()), Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	err = unix.Connect(fd, sa)
	if err == unix.EINPROGRESS {
		// The loopback interface has answered by now, and asking again says
		// how; only another host is worth going to sleep for.
		err = unix.Connect(fd, sa)
	}
	if err == unix.EALREADY {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(fds, portWait); n == 1 {
			err = unix.Connect(fd, sa)
		}
	}
	if err == unix.EISCONN {
		err = nil
	}
	if err != nil {
		unix.Close(fd)
		return nil, err == unix.ECONNREFUSED
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	conn, err = net.FileConn(f)
	if err != nil {
		return nil, false
	}
	return conn, false
}
