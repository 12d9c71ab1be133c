package apply

import (
	"os"
	"syscall"
)

// owner of a file, -1 where the system does not say.
func owner(info os.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}
