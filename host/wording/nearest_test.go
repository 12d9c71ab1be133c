package wording

import "testing"

func TestNearest(t *testing.T) {
	keys := []string{"POSTGRES_PORT", "POSTGRES_BIND", "ODOO_PORT", "odoo_version", "plan", "database", "doctor", "list"}
	for word, want := range map[string]string{
		"POSTGRES_PROT": "POSTGRES_PORT", "POSTGRES_PORTS": "POSTGRES_PORT", "odo_version": "odoo_version", "postgres_port": "POSTGRES_PORT",
		"plam": "plan", "databse": "database", "docter": "doctor", "x": "", "fish": "", "lis": "list", "restore": "", "POSTGRES_HOST_AUTH_METHOD": "", "POSTGRES_DB": "",
	} {
		if got := Nearest(word, keys); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := DidYouMean("plan", keys); got != "" {
		t.Errorf("%q", got)
	}
}
