package libpq

import "golang.org/x/sys/unix"

// inSecret says whether a file lies on a read-only tmpfs, as a Secret that is
// mounted into a pod does: nobody but this container has it, and no mode of its
// files can be changed.
func inSecret(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_RDONLY != 0
}
