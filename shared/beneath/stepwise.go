package beneath

import (
	"strings"

	"golang.org/x/sys/unix"
)

// openStepwise does what openat2 with RESOLVE_NO_SYMLINKS does, one component
// after the other.
func openStepwise(dirfd int, name string, flags int, perm uint32) (int, error) {
	at := dirfd
	defer func() {
		if at != dirfd {
			unix.Close(at)
		}
	}()
	parts := strings.Split(name, "/")
	for _, part := range parts[:len(parts)-1] {
		next, err := openOne(at, part, dirFlags, 0)
		if err != nil {
			return -1, err
		}
		if at != dirfd {
			unix.Close(at)
		}
		at = next
	}
	return openOne(at, parts[len(parts)-1], flags|unix.O_NOFOLLOW, perm)
}

func openOne(dirfd int, name string, flags int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags, perm)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
