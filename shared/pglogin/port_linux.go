package pglogin

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"runtime"
	"unsafe"

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
	to *address
}

// address is the kernel's form of an address, of either family.
type address struct {
	v4   unix.RawSockaddrInet4
	v6   unix.RawSockaddrInet6
	size uintptr
	isV4 bool
}

func newAddress(ap netip.AddrPort) *address {
	a := &address{}
	if ip := ap.Addr().Unmap(); ip.Is4() {
		a.v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.v4.Port))[:], ap.Port())
		a.size, a.isV4 = unix.SizeofSockaddrInet4, true
	} else {
		a.v6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.v6.Port))[:], ap.Port())
		a.size = unix.SizeofSockaddrInet6
	}
	return a
}

// connect is connect(2) without telling Go's scheduler, which would wake up
// its monitor thread for it: in a program that is idle otherwise that costs
// several times the call itself. SO_SNDTIMEO keeps it short.
func (a *address) connect(fd int) unix.Errno {
	at := unsafe.Pointer(&a.v6)
	if a.isV4 {
		at = unsafe.Pointer(&a.v4)
	}
	_, _, err := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(at), a.size)
	runtime.KeepAlive(a)
	return err
}

// newPortProbe gives nil where the kernel cannot be asked this way.
func newPortProbe(addr string) *portProbe {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || ap.Addr().Zone() != "" {
		return nil
	}
	to, family := newAddress(ap), unix.AF_INET6
	if to.isV4 {
		family = unix.AF_INET
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
	return &portProbe{fd, to}
}

// ask says whether the port refuses. conn is set where it accepted. The probe
// is used up where refused is false.
func (p *portProbe) ask() (conn net.Conn, refused bool) {
	errno := p.to.connect(p.fd)
	if errno == unix.ECONNREFUSED {
		return nil, true
	}
	defer p.close()
	if errno != 0 {
		return nil, false
	}
	unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{})
	f := os.NewFile(uintptr(p.fd), "tcp")
	p.fd = -1
	defer f.Close()
	conn, err := net.FileConn(f)
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
