package state

import (
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/snapshot"
)

// defaultDBPort is what libpq and Odoo take where odoo.conf names no port.
const defaultDBPort = 5432

// Observe says what the project's files and its data directory look like
// today. What only a running server knows is filled in by the caller.
func Observe(p *project.Project, data datadir.Facts) Observed {
	o := Observed{ImageMajor: p.PostgresMajor, Data: data, SystemIdentifier: data.SystemIdentifier}
	c := &o.Candidate
	c.Scenario = string(p.Scenario)
	c.Compose = snapshot.Compose{ServiceName: p.ServiceName, HostPort: p.PostgresPort, ImageTag: p.PostgresVersion, DataPathAbs: p.DataPath()}
	if p.Prefix != "" {
		c.Compose.ProjectName, c.Compose.OdooServiceName = p.Name, p.OdooServiceName
	}
	c.OdooConf = readOdooConf(p)
	if p.External {
		// There is no service; what odoo.conf names is what is compared.
		c.Compose.ServiceName = first(c.OdooConf.DBHost, "external")
		c.Compose.HostPort, c.Compose.ImageTag = c.OdooConf.DBPort, first(p.PostgresVersion, "external")
	}
	c.Cluster = snapshot.Cluster{AppRole: p.AppRole, PGMajor: data.Major, SystemIdentifier: data.SystemIdentifier}
	if n := data.Nonempty(); n != nil {
		c.Cluster.DataDirNonempty = *n
	}
	return o
}

// readOdooConf is the connection that odoo.conf names, by Odoo's own rules
// for what is unset.
func readOdooConf(p *project.Project) snapshot.OdooConf {
	out := snapshot.OdooConf{DBPort: defaultDBPort, DBUser: p.AppRole}
	if p.OdooConf == nil {
		return out
	}
	out.DBHost, _ = p.OdooConf.Value("db_host", p.OdooMajor)
	if n, ok, err := p.OdooConf.Int("db_port", p.OdooMajor); ok && err == nil {
		out.DBPort = n
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
