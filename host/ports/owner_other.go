//go:build !linux

package ports

import "fmt"

// Owner names a command that finds the process.
func Owner(port int) string {
	return fmt.Sprintf("another process (lsof -nP -iTCP:%d -sTCP:LISTEN)", port)
}
