// Package disk says what is free on a file system, and sizes to a person.
package disk

import "fmt"

// MiB is a size for a person: two that differ must not both be "0 MiB".
func MiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
