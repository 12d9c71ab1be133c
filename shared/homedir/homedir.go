// Package homedir knows the user's home directory, as libpq and Docker's client
// do: systemd starts root's services without HOME.
package homedir

import (
	"os"
	"os/user"
	"strconv"
)

// Dir is $HOME or, where that is not set, the user's in the passwd database; ""
// where neither says.
func Dir() string {
	if dir := os.Getenv("HOME"); dir != "" {
		return dir
	}
	return OfUser()
}

// OfUser is the directory in the passwd database alone.
func OfUser() string {
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return ""
	}
	return u.HomeDir
}
