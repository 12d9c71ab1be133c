package plan

import "testing"

func TestProposePrefix(t *testing.T) {
	for dir, want := range map[string]string{"/srv/acme/odoo": "acme-odoo", "/": "acme", "/1/2x": "x", "/srv/Ärger_Shop": "srv-rger-shop"} {
		if got := ProposePrefix(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}
