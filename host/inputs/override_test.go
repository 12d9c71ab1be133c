package inputs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What an override gives Odoo on its command line is for a one-off Odoo too:
// `odpm -i` found no module of the addons path that stands there. As its user, so it
// is the one who has to be able to use the mounts.
func TestOverrideCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		override string
		want     []string
		user     string
	}{
		"none":           {"services: {odoo: {labels: {a: b}}}", nil, ""},
		"options":        {"services: {odoo: {command: [/usr/bin/odoo, --addons-path=/mnt/own, --workers=4]}}", []string{"/usr/bin/odoo", "--addons-path=/mnt/own", "--workers=4"}, ""},
		"a line":         {"services: {odoo: {command: odoo --workers=4}}", []string{"odoo", "--workers=4"}, ""},
		"of another one": {"services: {cron: {image: x, command: odoo --no-http}}", nil, ""},
		"a user":         {"services: {odoo: {user: root}}", nil, "root"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0"}`, "docker-compose.override.yml": tt.override} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			in, err := Read(t.Context(), dir, nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(in.OdooCommand, tt.want) || in.OdooUser != tt.user {
				t.Errorf("%q as %q, want %q as %q", in.OdooCommand, in.OdooUser, tt.want, tt.user)
			}
		})
	}
}
