package native

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
)

// dialAs connects a Unix socket as another user. The kernel takes the peer's
// credentials from the connecting thread, so only this one thread changes its
// effective uid, by raw system calls: Go's syscall.Setresuid would change all.
func dialAs(ctx context.Context, path string, as identity) (net.Conn, error) {
	if os.Geteuid() != 0 || as.uid == 0 {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := connectAs(fd, path, as); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	return net.FileConn(f)
}

// keep is "leave this id as it is" to setresuid and setresgid.
const keep = ^uintptr(0)

func connectAs(fd int, path string, as identity) error {
	runtime.LockOSThread()
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESGID, keep, uintptr(as.gid), keep); e != 0 {
		runtime.UnlockOSThread()
		return fmt.Errorf("setresgid: %w", e)
	}
	var connected error
	_, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(as.uid), keep)
	if e == 0 {
		connected = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	} else {
		connected = fmt.Errorf("setresuid: %w", e)
	}
	_, _, back := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep)
	_, _, backGroup := syscall.RawSyscall(syscall.SYS_SETRESGID, keep, 0, keep)
	if back == 0 && backGroup == 0 {
		runtime.UnlockOSThread()
	}
	// A thread that could not go back stays locked: it ends with its goroutine
	// and runs nothing else.
	return connected
}

// listener is who made the socket at the other end listen.
func listener(c net.Conn) (pid, uid int, known bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	var cred *syscall.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return 0, 0, false
	}
	return int(cred.Pid), int(cred.Uid), true
}
