package plan

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// What the files that a person wrote are refused for, whatever the machine is like.

// Written is what a stack's files would be refused for whatever else is on this machine,
// nil for nothing. A takeover asks while the old stack still runs: conf is odoo.conf as
// it would be, and outcome says what was not done.
func Written(in *inputs.Inputs, conf []byte, outcome string) error {
	w := &world.World{Kind: engines.Docker, Stack: true, Files: world.Files{Conf: conf}}
	d, err := desired.Make(in, w)
	if err != nil {
		return err
	}
	m := &maker{Plan: &Plan{Want: Want{Goal: Odoo}}, in: in, p: in.Project, w: w, d: d, outcome: outcome}
	m.conflicts()
	m.refused(Odoo, m.externalHere())
	m.refused(Files, m.foreignHost())
	m.refused(Odoo, m.commonPassword())
	return m.Refused()
}

// conflicts are an override's with the rest of the project.
func (m *maker) conflicts() {
	for _, c := range m.in.Conflicts {
		m.refused(Files, &ui.Refusal{Code: codes.SettingsConflict, What: c.What + " " + m.untouched(), Ways: c.Ways})
	}
}

// externalHere: localhost is another machine in Odoo's container.
func (m *maker) externalHere() error {
	if !m.p.External || !m.w.Stack {
		return nil
	}
	list, _ := m.in.ExternalAddress()
	hosts := strings.Split(list, ",")
	i := slices.IndexFunc(hosts, func(host string) bool { return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" })
	if i < 0 {
		return nil
	}
	host := hosts[i]
	return &ui.Refusal{
		Code: codes.DBHostLocalhost,
		What: fmt.Sprintf("%s: db_host is %q, which in Odoo's container is the container itself. %s", m.in.Rel(m.p.OdooConfPath), host, m.untouched()),
		Ways: []string{"db_host = host.docker.internal        this machine, as the container knows it; PostgreSQL must listen there"},
	}
}

func (m *maker) foreignHost() error {
	if m.d.ForeignHost == "" {
		return nil
	}
	conf := m.in.Rel(m.p.OdooConfPath)
	if ip := net.ParseIP(strings.Trim(m.d.ForeignHost, "[]")); m.w.OdooHere && (m.d.ForeignHost == "localhost" || ip.IsLoopback()) {
		return &ui.Refusal{
			Code: codes.DBHostElsewhere,
			What: fmt.Sprintf("%s:%d: db_host is %q, but odpm needs the name of the PostgreSQL service there, also without Docker: it gives Odoo the address of this machine on its command line. %s", conf, m.d.ForeignHostLine, m.d.ForeignHost, m.untouched()),
			Ways: []string{
				fmt.Sprintf("db_host = %s in %s        if this project's PostgreSQL is meant", m.p.ServiceName, conf),
				"ODPM_POSTGRES=external in .env        if it is a server that odpm must not start or stop",
			},
		}
	}
	return &ui.Refusal{
		Code: codes.DBHostElsewhere,
		What: fmt.Sprintf("%s:%d: db_host is %q, which is not a service of this compose project but a server elsewhere. %s", conf, m.d.ForeignHostLine, m.d.ForeignHost, m.untouched()),
		Ways: []string{
			"ODPM_POSTGRES=external in .env        if that server is the one Odoo must use; odpm then runs no PostgreSQL of its own",
			fmt.Sprintf("db_host = %s in %s        if this project's PostgreSQL is meant", m.p.ServiceName, conf),
		},
	}
}

// commonPassword: on a server the default is a password everybody knows. Only
// a start is refused: what is there can be looked at, and saved.
func (m *maker) commonPassword() error {
	if m.p.Scenario != project.Server || m.p.AppPassword != "odoo" || m.p.External {
		return nil
	}
	return &ui.Refusal{Code: codes.DefaultPassword, What: fmt.Sprintf("ODPM_SCENARIO=server refuses the password %q for role %s, which everybody knows (%s). %s", "odoo", m.p.AppRole, m.p.AppPasswordSource, m.untouched()),
		Ways: []string{"POSTGRES_ODOO_PASS=… in .env, or db_password in " + m.in.Rel(m.p.OdooConfPath) + "        another one; then odpm database ensure-role gives it to the role"}}
}
