package engines

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/pglogin"
)

// gateway is what a container calls the machine it runs on.
const gateway = "host.docker.internal"

// here is a host as this machine reaches it.
func here(name string) string {
	if name == gateway {
		return "127.0.0.1"
	}
	return name
}

// externalOptions are where odoo.conf says the server is, as this machine
// reaches it. stack: Docker runs Odoo.
func externalOptions(ctx context.Context, in *inputs.Inputs, stack bool) external.Options {
	name, port := in.ExternalAddress()
	admin, _ := in.Administrator()
	mode := libpq.Stricter(in.SSLMode(stack), admin.SSLMode)
	o := external.Options{Port: port, SSLMode: mode, TLSFiles: in.TLSFiles(stack) || mode != in.SSLMode(stack)}
	o.Name = writing(ctx, in, strings.Split(name, ","), o)
	o.Host = here(o.Name)
	return o
}

// hostTime bounds the question which of several hosts takes writes.
const hostTime = 10 * time.Second

// writing is the host of a list that takes writes, else the first one that
// answers, else the first.
func writing(ctx context.Context, in *inputs.Inputs, names []string, o external.Options) string {
	if len(names) < 2 {
		return names[0]
	}
	hosts := make([]string, len(names))
	for i, name := range names {
		hosts[i] = here(name)
	}
	named := func(addr string) string {
		host, _, err := net.SplitHostPort(addr)
		for i := range hosts {
			if err == nil && hosts[i] == host {
				return names[i]
			}
		}
		return ""
	}
	res, err := pglogin.Login(ctx, pglogin.Config{
		Host: strings.Join(hosts, ","), Port: o.Port, User: in.Project.AppRole, Password: in.Project.AppPassword, SSLMode: o.SSLMode,
		TLSFiles: o.TLSFiles, Explicit: true, SessionAttrs: "read-write", AttemptTimeout: hostTime, ApplicationName: "odpm",
	})
	var failed *pglogin.Error
	switch {
	case err == nil:
		if name := named(res.Endpoint); name != "" {
			return name
		}
	case errors.As(err, &failed):
		for _, h := range failed.Hosts {
			switch h.Reason {
			case pglogin.DNS, pglogin.Refused, pglogin.Unreachable, pglogin.Closed, pglogin.Timeout, pglogin.NotPostgreSQL:
				continue
			}
			if name := named(h.Addr); name != "" {
				return name
			}
		}
	}
	return names[0]
}
