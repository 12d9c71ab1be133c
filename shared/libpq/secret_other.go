//go:build !linux

package libpq

func inSecret(string) bool { return false }
