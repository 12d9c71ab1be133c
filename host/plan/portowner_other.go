//go:build !linux

package plan

import "fmt"

// portOwner names a command that finds the process.
func portOwner(port int) string {
	return fmt.Sprintf("another process (lsof -nP -iTCP:%d -sTCP:LISTEN)", port)
}
