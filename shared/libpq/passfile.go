package libpq

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgpassfile"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/shared/homedir"
)

// passfile is where libpq looks for passwords.
func (o outside) passfile() string {
	if path := o.get("passfile", "PGPASSFILE"); path != "" {
		return path
	}
	dir := homedir.Dir()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, ".pgpass")
}

// defaultSocketDir is that of Debian's libpq.
const defaultSocketDir = "/var/run/postgresql"

// filedPassword is the one that the password file has for host. libpq looks a
// socket up by its directory, of which only the default one is localhost; pgx
// takes localhost for each.
func (o outside) filedPassword(pc *pgconn.Config, host string) string {
	path := o.pass
	if path == "" {
		if path = o.passfile(); openToOthers(path) {
			return ""
		}
	}
	file, err := pgpassfile.ReadPassfile(path)
	if err != nil {
		return ""
	}
	if host == defaultSocketDir {
		host = "localhost"
	}
	return file.FindPassword(host, strconv.Itoa(int(pc.Port)), pc.Database, pc.User)
}

// openToOthers: libpq passes over a password file that others may read. pgx
// takes it whatever its mode, and the check would pass where Odoo has no
// password.
func openToOthers(path string) bool {
	return readByOthers(path) && !inSecret(path)
}

func readByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}

// FromSecret is the password file that was taken although others may read it:
// Kubernetes makes a Secret's files readable for the group where fsGroup is
// set, whatever their mode was to be. "" where that is not so.
func FromSecret() string {
	svc, err := findService()
	if err != nil {
		return ""
	}
	if path := (outside{service: svc}).passfile(); readByOthers(path) && inSecret(path) {
		return path
	}
	return ""
}

// PassedOver is the password file that libpq does not take since others may
// read it, "" where that is not so.
func PassedOver() string {
	svc, err := findService()
	if err != nil {
		return ""
	}
	if path := (outside{service: svc}).passfile(); openToOthers(path) {
		return path
	}
	return ""
}
