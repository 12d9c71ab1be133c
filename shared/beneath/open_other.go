//go:build !linux

package beneath

// openBelow opens name, of one or more components, without following a link.
func openBelow(dirfd int, name string, flags int, perm uint32) (int, error) {
	return openStepwise(dirfd, name, flags, perm)
}
