package world

import (
	"os"
	"strconv"
	"syscall"
)

// inode and the time of its last change tell a file that was replaced, or
// written to under an old date.
func inode(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "-"
	}
	return strconv.FormatUint(uint64(st.Ino), 10)
}

// ofRoot tells whether a directory belongs to root, as whom nobody writes in a
// container whose user is another.
func ofRoot(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}
