package beneath

import (
	"sync"

	"golang.org/x/sys/unix"
)

// hasOpenat2: Linux has it since 5.6; older container runtimes refuse it with
// EPERM, so it is tried once where it cannot fail for another reason.
var hasOpenat2 = sync.OnceValue(func() bool {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
})

// openBelow opens name, of one or more components, without following a link.
func openBelow(dirfd int, name string, flags int, perm uint32) (int, error) {
	if !hasOpenat2() {
		return openStepwise(dirfd, name, flags, perm)
	}
	how := unix.OpenHow{
		Flags: uint64(flags), Mode: uint64(perm),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(dirfd, name, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}
