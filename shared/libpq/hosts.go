package libpq

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// List is a connection as libpq makes it: host after host, until one is what
// target_session_attrs asks for.
type List struct {
	// Hosts have one host each, with what sslmode tries there as fallbacks, and
	// the password that is meant for it.
	Hosts []*pgconn.Config
	// SessionAttrs is target_session_attrs, "" where nobody has set it; libpq
	// then takes any.
	SessionAttrs string
	// Timeout is connect_timeout (PGCONNECT_TIMEOUT), which libpq gives to each
	// host, 0 for none.
	Timeout time.Duration

	all *pgconn.Config
}

// list finishes what Hosts gives.
func (o outside) list(pc *pgconn.Config, filed []string, attrs string) *List {
	l := &List{all: pc, SessionAttrs: cmp.Or(attrs, o.get("target_session_attrs", "PGTARGETSESSIONATTRS")), Timeout: o.connectTimeout(), Hosts: single(pc)}
	for i, h := range l.Hosts {
		if len(filed) == len(l.Hosts) {
			h.Password = filed[i]
		}
	}
	return l
}

// single takes pgconn's list of hosts, each as often as sslmode has tries,
// apart. What is asked of a session is for the caller to compare: pgconn asks
// for what a server said when it was logged in to, which a pooler remembers.
func single(pc *pgconn.Config) []*pgconn.Config {
	var hosts []*pgconn.Config
	for _, f := range append([]*pgconn.FallbackConfig{{Host: pc.Host, Port: pc.Port, TLSConfig: pc.TLSConfig}}, pc.Fallbacks...) {
		if n := len(hosts); n > 0 && hosts[n-1].Host == f.Host && hosts[n-1].Port == f.Port {
			hosts[n-1].Fallbacks = append(hosts[n-1].Fallbacks, f)
			continue
		}
		one := pc.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks, one.ValidateConnect = f.Host, f.Port, f.TLSConfig, nil, nil
		hosts = append(hosts, one)
	}
	return hosts
}

// connectTimeout is libpq's: whole seconds, none where they are not positive,
// and no less than two.
func (o outside) connectTimeout() time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(cmp.Or(o.get("connect_timeout", "PGCONNECT_TIMEOUT"), "0")))
	if err != nil || n <= 0 {
		return 0
	}
	return time.Duration(max(n, 2)) * time.Second
}
