package engines

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/pglogin"
)

// gateway is what a container calls the machine it runs on.
const gateway = "host.docker.internal"

// here are hosts as this machine reaches them. A name that a container has on a
// network of Odoo's is that container: a server of another compose project needs no
// published port for Odoo, and its name means nothing outside of Docker.
func here(ctx context.Context, in *inputs.Inputs, stack engine.StackReader, names []string, port int) []string {
	out := slices.Clone(names)
	d, ok := stack.(*docker.Reader)
	for i, name := range names {
		if name == gateway {
			out[i] = "127.0.0.1"
		}
		if !ok || net.ParseIP(name) != nil {
			continue
		}
		switch {
		case name != gateway:
			if addr, err := d.Resolved(ctx, in.OdooNetworks(), name); err == nil && addr != "" {
				out[i] = addr
			}
		case !listens(ctx, out[i], port):
			// A server may listen for containers alone, at the bridge's address.
			if addr, err := d.Gateway(ctx); err == nil && addr != "" && listens(ctx, addr, port) {
				out[i] = addr
			}
		}
	}
	return out
}

// localTime bounds a question to an address of this machine.
const localTime = 2 * time.Second

func listens(ctx context.Context, host string, port int) bool {
	d := net.Dialer{Timeout: localTime}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		err = c.Close()
	}
	return err == nil
}

// externalOptions are where odoo.conf says the server is, as this machine
// reaches it. stack is what runs Odoo, nil where Docker does not.
func externalOptions(ctx context.Context, in *inputs.Inputs, stack engine.StackReader) external.Options {
	list, port := in.ExternalAddress()
	admin, _ := in.Administrator()
	own := in.SSLMode(stack != nil)
	mode := libpq.Stricter(own, admin.SSLMode)
	o := external.Options{Port: port, SSLMode: mode, TLSFiles: in.TLSFiles(stack != nil) || mode != own}
	names := strings.Split(list, ",")
	hosts := here(ctx, in, stack, names, port)
	i := writing(ctx, in, hosts, o)
	o.Name, o.Host = names[i], hosts[i]
	return o
}

// hostTime bounds the question which of several hosts takes writes.
const hostTime = 10 * time.Second

// writing is which host of a list takes writes, else the first one that answers,
// else the first.
func writing(ctx context.Context, in *inputs.Inputs, hosts []string, o external.Options) int {
	if len(hosts) < 2 {
		return 0
	}
	index := func(addr string) int {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return -1
		}
		return slices.Index(hosts, host)
	}
	res, err := pglogin.Login(ctx, pglogin.Config{
		Host: strings.Join(hosts, ","), Port: o.Port, User: in.Project.AppRole, Password: in.Project.AppPassword, SSLMode: o.SSLMode,
		TLSFiles: o.TLSFiles, Explicit: true, SessionAttrs: "read-write", AttemptTimeout: hostTime, ApplicationName: "odpm",
	})
	var failed *pglogin.Error
	switch {
	case err == nil:
		if i := index(res.Endpoint); i >= 0 {
			return i
		}
	case errors.As(err, &failed):
		for _, h := range failed.Hosts {
			switch h.Reason {
			case pglogin.DNS, pglogin.Refused, pglogin.Unreachable, pglogin.Closed, pglogin.Timeout, pglogin.NotPostgreSQL:
				continue
			}
			if i := index(h.Addr); i >= 0 {
				return i
			}
		}
	}
	return 0
}
