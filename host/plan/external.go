package plan

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/libpq"
)

// adminURLKey names the administrator of an external server; odpm changes
// roles there only where it is set.
const adminURLKey = "ODPM_POSTGRES_ADMIN_URL"

// gateway is what a container calls the machine it runs on.
const gateway = "host.docker.internal"

// useExternal takes the server that odoo.conf names. Docker runs Odoo alone.
func (s *Session) useExternal(ctx context.Context) error {
	p := s.Project
	host, port := "", 5432
	if p.OdooConf != nil {
		host, _ = p.OdooConf.Value("db_host", p.OdooMajor)
		if n, ok, err := p.OdooConf.Int("db_port", p.OdooMajor); ok && err == nil {
			port = n
		}
	}
	if host == "" {
		return fmt.Errorf("%s: db_host is not set, and with ODPM_POSTGRES=external it says where PostgreSQL is", s.Rel(p.OdooConfPath))
	}
	admin, err := s.adminURL()
	if err != nil {
		return err
	}
	here := host
	if host == gateway {
		here = "127.0.0.1"
	}
	defer func() {
		// Which Odoo it is for is known then.
		mode := libpq.Stricter(s.sslmode(), admin.sslmode)
		s.PG = external.New(external.Options{Host: here, Name: host, Port: port, SSLMode: mode, TLSFiles: s.tlsFiles() || mode != s.sslmode()})
	}()
	if s.NoDocker || p.Runtime == project.Native {
		return nil
	}
	if err := docker.Available(ctx); err != nil {
		if p.Runtime == project.Docker || len(p.OdooCommand) == 0 {
			s.Problems = append(s.Problems, err)
		}
		return nil
	}
	s.Stack = docker.New(s.dockerOptions())
	if host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
		s.Problems = append(s.Problems, &ui.Refusal{
			What: fmt.Sprintf("%s: db_host is %q, which in Odoo's container is the container itself. Nothing was written or started.", s.Rel(p.OdooConfPath), host),
			Ways: []string{"db_host = " + gateway + "        this machine, as the container knows it; PostgreSQL must listen there"},
		})
	}
	return nil
}

// administrator is what ODPM_POSTGRES_ADMIN_URL says; where the server is,
// odoo.conf says.
type administrator struct{ user, password, sslmode string }

func (s *Session) adminURL() (a administrator, err error) {
	text := s.Project.Env[adminURLKey]
	if text == "" {
		return a, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil || u.User.Username() == "" || u.Scheme != "postgresql" && u.Scheme != "postgres" {
		// The text itself may hold the password.
		return a, fmt.Errorf("%s is not a URL of the form postgresql://USER:PASSWORD@HOST", adminURLKey)
	}
	for key := range u.Query() {
		// What is not followed is not passed over: it may be a demand.
		if key != "sslmode" {
			return a, fmt.Errorf("%s has a parameter that odpm does not follow: behind the ? only sslmode may stand; files of TLS are named by PGSSLROOTCERT, PGSSLCERT and PGSSLKEY in the environment", adminURLKey)
		}
	}
	a.user, a.sslmode = u.User.Username(), u.Query().Get("sslmode")
	a.password, _ = u.User.Password()
	return a, nil
}

// mayChangeRoles: on an external server only with an administrator.
func (s *Session) mayChangeRoles() bool {
	return !s.Project.External || s.Project.Env[adminURLKey] != ""
}
