// Package process asks the kernel about processes that are not odpm's own.
package process

import (
	"errors"
	"syscall"
)

// Lives tells whether there is a process of that number, ended ones included
// that nobody has reaped. EPERM is a process of another user's, and not its absence.
func Lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return pid > 0 && (err == nil || errors.Is(err, syscall.EPERM))
}
