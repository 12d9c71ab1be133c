// Package cluster knows the inside of a PostgreSQL cluster that somebody else
// may have made: what it is (Probe), who may administer it (Admin), the role
// that Odoo logs in as (EnsureAppRole, also where nobody can log in any more),
// whether a login works (Prove) and why one does not (DiagnoseLogin).
//
// It reaches servers through engine.Server alone and prints nothing.
// docs/reference/application-role.md has the rules that it follows.
package cluster

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/odpm/odpm/host/engine"
)

// Wanted is the role that Odoo logs in as.
type Wanted struct {
	Role, Password string
	// Unsaid: Password is only the default, and how Odoo gets its own is not known. A
	// role with another password keeps it, so that Odoo is not locked out.
	Unsaid bool
	// Host is what Odoo calls the server, SSLMode and TLSFiles how its connection
	// is encrypted: engine.TCP's.
	Host, SSLMode string
	TLSFiles      bool
}

// At is the server as this machine reaches it over TCP. Odoo may have a list of
// hosts (libpq's); this is one of them.
func (w Wanted) At(addr string) engine.TCP {
	name := w.Host
	if strings.Contains(name, ",") {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			name = host
		}
	}
	return engine.TCP{Addr: addr, Name: name, SSLMode: w.SSLMode, TLSFiles: w.TLSFiles}
}

// otherPassword is the role with a password that is not its own.
func (w Wanted) otherPassword() Wanted {
	w.Password += "x"
	return w
}

// Hints help to find an administrator.
type Hints struct {
	// Admins are role names to try beside postgres, the application role and
	// every superuser that the cluster shows.
	Admins []string
	// Password is the bootstrap user's, used where pg_hba.conf asks for one. Made is
	// that of an administrator that odpm has made or has to make; "" for the same.
	Password, Made string
	// AdminURL is the variable that names the administrator of a server elsewhere, ""
	// for one that odpm runs.
	AdminURL string
	// App is tried with its own password.
	App Wanted
	// Startup is the server's; nil is a new one, which has yet to learn its
	// version.
	Startup *Startup
}

// validate refuses what cannot become a role or a password, before any work.
func (w Wanted) validate() error {
	switch {
	case w.Role == "":
		return errors.New("the application role has no name; set db_user in odoo.conf")
	case w.Role == defaultAdmin:
		return errors.New("the application role cannot be postgres: Odoo refuses to start with it; set db_user in odoo.conf to another name, for example odoo")
	case !utf8.ValidString(w.Role) || strings.ContainsFunc(w.Role, unicode.IsControl):
		return fmt.Errorf("the application role %q contains control characters or is not UTF-8; change db_user in odoo.conf", w.Role)
	case len(w.Role) > 63:
		// PostgreSQL would cut it, silently, and then not find it.
		return fmt.Errorf("the application role %q has %d bytes and PostgreSQL keeps 63; change db_user in odoo.conf", w.Role, len(w.Role))
	case strings.HasPrefix(w.Role, "pg_"), w.Role == "public", w.Role == "none":
		return fmt.Errorf("the role name %q is reserved by PostgreSQL; change db_user in odoo.conf", w.Role)
	case w.Password == "":
		return errors.New("the application role has no password; set db_password in odoo.conf")
	case strings.ContainsRune(w.Password, 0):
		return errors.New("the application role's password contains a NUL character, which PostgreSQL cannot take; change db_password in odoo.conf")
	}
	return nil
}
