package libpq

import "testing"

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "db": true, "::1": true, "fe80::1%eth0": true, "/var/run/postgresql": true, "@abstract": false, "a,b": true,
		"[::1]": false, "a,[::1]": false, "postgres://a": false, "host=a": false, "a b": false,
	} {
		if got := ValidHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
