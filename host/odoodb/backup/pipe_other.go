//go:build !linux

package backup

import "os"

// enlarge: elsewhere a pipe is as large as it is.
func enlarge(*os.File) bool { return false }
