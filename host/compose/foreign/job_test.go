package foreign

import "testing"

// An Odoo that makes the database and ends is not the one that people open.
func TestOdooThatEnds(t *testing.T) {
	for _, command := range []string{"odoo -d prod -i base --stop-after-init", "sh -c 'odoo -d prod -i base --stop-after-init'", "odoo db init prod", "odoo shell -d prod"} {
		f := readText(t, "services:\n  setup: {image: \"odoo:17.0\", command: \""+command+"\", environment: {HOST: db}, volumes: [\"./files:/var/lib/odoo\"]}\n"+
			"  erp: {image: \"odoo:17.0\", environment: {HOST: db}, volumes: [\"./files:/var/lib/odoo\"]}"+dbService, nil)
		if f.OdooService() != "erp" {
			t.Errorf("%s: Odoo is %q of %v", command, f.OdooService(), f.OdooCandidates)
		}
	}
}
