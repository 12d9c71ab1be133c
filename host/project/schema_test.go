package project_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/host/project"
)

// TestSchema: what the reader of odpm.json takes, its schema takes, and the other
// way round; compared on every odpm.json of the scripts and the example, and on
// values that are wrong.
func TestSchema(t *testing.T) {
	manifests := map[string]string{}
	example, err := os.ReadFile("../../test/example/odpm.json")
	if err != nil {
		t.Fatal(err)
	}
	manifests["the example"] = string(example)
	scripts, err := filepath.Glob("../../test/e2e/testdata/*/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if filepath.Base(f.Name) == "odpm.json" {
				manifests[filepath.Base(script)+" "+f.Name] = string(f.Data)
			}
		}
	}
	for _, m := range []string{
		`{"postgres_version": 15, "odoo_version": 18.0}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "platform_name": ["odoo"]}`,
		`{"postgres_version": ["15"], "odoo_version": "18.0"}`,
		`{"postgres_version": "latest", "odoo_version": "18.0"}`,
		`{"postgres_version": "15", "odoo_version": {}}`,
		`{"postgres_version": "15", "odoo_version": "eighteen"}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "a shop"}`,
		`{"postgres_version": true, "odoo_version": "18.0"}`,
		`{"manifest_schema": 3, "postgres_version": "15", "odoo_version": "18.0"}`,
		`{"manifest_schema": 2, "postgres": {"version": "15", "image": "acme/pg:15"}, "odoo": "18.0", "platform": "shop"}`,
		`{"manifest_schema": 2, "postgres": ["15"], "odoo": "18.0"}`,
		`{"manifest_schema": 2, "postgres": {"version": true}, "odoo": "18.0"}`,
		`{"manifest_schema": 2, "postgres": {"version": "latest"}, "odoo": "18.0"}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": {"version": "eighteen"}}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": "18.0", "platform": {"name": 5}}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": "18.0", "services": []}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": {"version": "18.0", "git": "https://github.com/odoo/odoo 18.0"}, "services": {"mail": {"image": "mailpit"}}}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "sidecars": []}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "odoo_conf": []}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "odoo_conf": {"options": []}}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "odoo_conf": {"options": {"workers": {}}}}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "odoo_conf": {"options": {"workers": 2, "proxy_mode": true, "limit": null, "addons_path": ["a", "b"]}}}`,
		`["15"]`, `{"postgres_version": "15",}`, `{"postgres_version": null, "odoo_version": "18.0"}`,
		`{"postgres_version": "15", "odoo_version": "18.0", "platform_name": null, "services": null, "sidecars": null, "odoo_conf": null, "postgres": null}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": "18.0", "platform": null, "services": null, "odoo_conf": {"options": null}}`,
		`{"manifest_schema": 2, "postgres": {"version": "15", "image": null}, "odoo": {"version": "18.0"}, "platform": {"name": null}}`,
		`{"manifest_schema": 2, "postgres": "latest", "odoo": "18.0"}`, `{"manifest_schema": 2, "postgres": "15", "odoo": "eighteen"}`,
		`{"manifest_schema": 2, "postgres": "15", "odoo": "18.0", "platform": 5}`,
		`{"manifest_schema": 2, "postgres": 9.6, "odoo": 18.0}`, `{"manifest_schema": 2, "postgres": {"version": "15"}, "platform": {"odoo_version": "eighteen"}}`,
	} {
		manifests[m] = m
	}
	for name, text := range manifests {
		dir, home := write(t, map[string]string{"odpm.json": text, "odoo.conf": "[options]\n"})
		_, err := project.Load(dir, nil, home)
		// Only what is said of odpm.json itself is the schema's subject, and that a
		// version is missing is for .env to make good.
		complains := err != nil && strings.Contains(err.Error(), "odpm.json:")
		if complains && strings.Contains(err.Error(), "_version is missing") && !strings.Contains(err.Error(), "odpm.json:1") {
			complains = false
		}
		wrong := schemas.Validate("odpm", []byte(text))
		if complains != (wrong != nil) {
			t.Errorf("%s\nodpm: %v\nschema: %v", name, err, wrong)
		}
		if !complains && !json.Valid([]byte(text)) {
			t.Errorf("%s: not JSON", name)
		}
	}
	if len(manifests) < 40 {
		t.Errorf("only %d were found", len(manifests))
	}
}
