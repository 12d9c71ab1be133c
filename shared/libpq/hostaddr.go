package libpq

import (
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// hostaddr is libpq's list of addresses to connect to, in the place of those
// that the hosts' names have; the names stay what certificates are for.
type hostaddr struct {
	addrs, hosts []string
	// nameless: one of them has no host.
	nameless bool
}

func (o outside) hostaddr(host string) (*hostaddr, error) {
	text := o.get("hostaddr", "PGHOSTADDR")
	if o.explicit {
		text = o.addr
	}
	if text == "" {
		return nil, nil
	}
	h := &hostaddr{addrs: strings.Split(text, ",")}
	h.hosts = make([]string, len(h.addrs))
	if host != "" {
		if h.hosts = strings.Split(host, ","); len(h.hosts) != len(h.addrs) {
			return nil, wrong("the numbers of hosts and of addresses differ: check db_host (or PGHOST) and PGHOSTADDR, which takes precedence")
		}
	}
	for i, addr := range h.addrs {
		if addr == "" {
			continue
		}
		if _, err := netip.ParseAddr(addr); err != nil {
			return nil, wrong("PGHOSTADDR, or hostaddr of the connection service, is not a numeric address; put names into db_host")
		}
		h.nameless = h.nameless || h.hosts[i] == ""
		if h.hosts[i] == "" || strings.HasPrefix(h.hosts[i], "/") {
			h.hosts[i] = addr
		}
	}
	return h, nil
}

// apply puts the addresses in the place of the names, for whose certificates
// pgx has prepared by now. Each host has as many entries as sslmode has tries;
// a socket has one.
func (h *hostaddr) apply(pc *pgconn.Config) {
	entries := append([]*pgconn.FallbackConfig{{Host: pc.Host, Port: pc.Port, TLSConfig: pc.TLSConfig}}, pc.Fallbacks...)
	var sockets int
	for _, e := range entries {
		if network, _ := pgconn.NetworkAddress(e.Host, e.Port); network == "unix" {
			sockets++
		}
	}
	each := 1
	if n := len(h.hosts) - sockets; n > 0 {
		each = (len(entries) - sockets) / n
	}
	i := 0
	for _, addr := range h.addrs {
		n := each
		if network, _ := pgconn.NetworkAddress(entries[i].Host, entries[i].Port); network == "unix" {
			n = 1
		}
		for ; n > 0; n-- {
			if addr != "" {
				entries[i].Host = addr
			}
			i++
		}
	}
	pc.Host = entries[0].Host
}
