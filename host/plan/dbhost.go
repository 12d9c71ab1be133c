package plan

import (
	"fmt"
	"net"
	"strings"

	"github.com/odpm/odpm/host/ui"
)

// foreignHost refuses a db_host that means a server of somebody else's: an
// address, a dotted name, localhost, a socket directory. Unset, the last
// run's service and any other undotted name are repaired, since only the
// compose network could resolve them.
func (s *Session) foreignHost(host string) error {
	plain := strings.Trim(host, "[]")
	switch {
	case host == "":
		return nil
	case s.Snapshot != nil && host == s.Snapshot.Compose.ServiceName:
		return nil
	case host != "localhost" && net.ParseIP(plain) == nil && !strings.ContainsAny(host, "./:,"):
		return nil
	}
	p := s.Project
	place := fmt.Sprintf("%s:%d", s.Rel(p.OdooConfPath), s.lineOf("db_host"))
	return &ui.Refusal{
		What: fmt.Sprintf("%s: db_host is %q, which is not a service of this compose project but a server elsewhere. Nothing was written or started.", place, host),
		Ways: []string{
			"ODPM_POSTGRES=external in .env        if that server is the one Odoo must use; odpm then runs no PostgreSQL of its own",
			fmt.Sprintf("db_host = %s in %s        if this project's PostgreSQL is meant", p.ServiceName, s.Rel(p.OdooConfPath)),
		},
	}
}

func (s *Session) lineOf(key string) int {
	if s.Project.OdooConf == nil {
		return 0
	}
	return s.Project.OdooConf.Line(key)
}
