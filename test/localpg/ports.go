package localpg

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Ports that are given out lie below those that a kernel gives to whoever asks for
// any (net.ipv4.ip_local_port_range begins at 32768): a port from there, closed again
// for the server that it is meant for, was somebody else's before that one started.
const firstPort, lastPort = 20000, 32000

// FreePort is a port of the loopback interface that nobody has, and that nobody else
// is given as long as this process lives.
func FreePort() (int, error) {
	// Not below TMPDIR, which is another one for each run of the tests.
	dir := filepath.Join("/tmp", fmt.Sprintf("odpm-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		switch taken, err := reserve(filepath.Join(dir, strconv.Itoa(port))); {
		case err != nil:
			return 0, err
		case taken:
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no port from %d to %d is free", firstPort, lastPort)
}

// reserve locks a file for the rest of the process's life.
func reserve(path string) (taken bool, err error) {
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, syscall.Close(fd)
	}
	return false, err
}
