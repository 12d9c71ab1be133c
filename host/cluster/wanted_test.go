package cluster

import "testing"

// Odoo in a container has a list of hosts; odpm works with the one that takes
// writes, under its own name.
func TestOneOfSeveralHosts(t *testing.T) {
	for _, c := range []struct{ host, addr, want string }{
		{"pg-0,pg-1", "pg-1:5432", "pg-1"},
		{"10.0.0.1,10.0.0.2", "10.0.0.2:5433", "10.0.0.2"},
		{"host.docker.internal", "127.0.0.1:5432", "host.docker.internal"},
	} {
		s, err := Wanted{Role: "odoo", Host: c.host, SSLMode: "verify-full"}.At(c.addr).Settings()
		if err != nil || s.Host != c.want {
			t.Errorf("%s at %s: %q %v, want %q", c.host, c.addr, s.Host, err, c.want)
		}
	}
}
