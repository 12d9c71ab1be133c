package cluster

import (
	"strings"
	"testing"
)

// TestDumpedSettings: a list of schemas in one literal would be one schema's name.
func TestDumpedSettings(t *testing.T) {
	r := &roles{VersionNum: 150000, Roles: []role{{Name: "odoo"}}, Settings: []setting{
		{Role: "odoo", Config: []string{`search_path="$user", public, "a, ""b"""`, `my.list=a, b`, `work_mem=64MB`}},
		{Role: "odoo", Database: "prod", Config: []string{`temp_tablespaces=""`, `search_path=""`}},
	}}
	text := string(r.dump())
	for _, want := range []string{
		`ALTER ROLE "odoo" SET "search_path" TO '$user', 'public', 'a, "b"';`,
		`ALTER ROLE "odoo" SET "my"."list" TO 'a, b';`,
		`ALTER ROLE "odoo" SET "work_mem" TO '64MB';`,
		`ALTER ROLE "odoo" IN DATABASE "prod" SET "search_path" TO '';`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
