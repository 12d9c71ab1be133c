package libpq

import (
	"bufio"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
)

// osUser is the name of the operating-system user, "" for a uid without one.
//
// user.Current takes $USER for the name of a uid that /etc/passwd does not
// know. libpq does not: a container that runs as any uid and is given the
// official image's USER would be proven under a name that Odoo does not use.
func osUser() string {
	if runtime.GOOS != "linux" {
		if u, err := user.Current(); err == nil {
			return u.Username
		}
		return ""
	}
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return ""
	}
	defer f.Close()
	uid := strconv.Itoa(os.Geteuid())
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 4)
		if len(fields) == 4 && fields[2] == uid && fields[0] != "" && !strings.ContainsAny(fields[0][:1], "#+-") {
			return fields[0]
		}
	}
	return ""
}
