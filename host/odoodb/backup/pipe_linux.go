package backup

import (
	"os"

	"golang.org/x/sys/unix"
)

// enlarge makes a pipe's buffer pipeSize; false where it stays as it is.
func enlarge(pipe *os.File) (done bool) {
	c, err := pipe.SyscallConn()
	if err != nil {
		return false
	}
	err = c.Control(func(fd uintptr) {
		n, err := unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
		done = err == nil && n >= pipeSize
	})
	return err == nil && done
}
