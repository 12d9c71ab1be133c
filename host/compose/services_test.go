package compose

import (
	"strings"
	"testing"
)

// odpm.json's services speak of db and odoo, whatever a prefix calls them.
func TestLogicalNames(t *testing.T) {
	p := acme(t)
	p.Prefix, p.Name, p.ServiceName, p.OdooServiceName, p.VolumeName = "acme", "acme", "acme-db", "acme-odoo", "acme-postgres-data"
	p.Services = map[string]any{
		"list": map[string]any{"image": "mailpit", "depends_on": []any{"db", "odoo", "map"}},
		"map": map[string]any{"image": "mailpit", "depends_on": map[string]any{"db": map[string]any{"condition": "service_healthy"}},
			"environment": map[string]any{"PGHOST": "${@service:db}", "URL": "http://${@service:odoo}:8069"}},
	}
	doc, err := Build(Spec{Project: p})
	if err != nil {
		t.Fatal(err)
	}
	text := string(doc)
	for _, want := range []string{"- acme-db\n", "- acme-odoo\n", "- map\n", "acme-db:\n        condition: service_healthy", "PGHOST: acme-db", "http://acme-odoo:8069"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	// A service of that name is meant itself.
	p.Services["db"] = map[string]any{"image": "redis"}
	if doc, err = Build(Spec{Project: p}); err != nil || !strings.Contains(string(doc), "- db\n") {
		t.Errorf("%v\n%s", err, doc)
	}
	if len(p.Services["list"].(map[string]any)["depends_on"].([]any)) != 3 || p.Services["list"].(map[string]any)["depends_on"].([]any)[0] != "db" {
		t.Error("the project was written to")
	}
}
