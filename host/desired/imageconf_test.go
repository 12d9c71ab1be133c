package desired

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/world"
)

// What the manifest and user_settings.json say of odoo.conf reaches it; a sentence
// that Python odpm wrote for a value does not stay.
func TestManifestConf(t *testing.T) {
	dir := t.TempDir()
	conf := "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\nadmin_passwd = it is put in when the container starts\nworkers = 2\n"
	for file, text := range map[string]string{
		"odpm.json":          `{"manifest_schema": 2, "postgres": "15", "platform": {"git": "https://example.com/odoo 18.0"}, "odoo_conf": {"options": {"proxy_mode": true, "workers": 4}}}`,
		"user_settings.json": `{"db_manager_password": "m4ster"}`, "odoo.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := inputs.Read(t.Context(), dir, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world.World{Kind: engines.Docker, Stack: true}
	w.Files.Conf = []byte(conf)
	d, err := Make(in, w)
	if err != nil {
		t.Fatal(err)
	}
	want := "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\nadmin_passwd = m4ster\nworkers = 2\nproxy_mode = True\n"
	if string(d.Conf) != want {
		t.Errorf("%s", d.Conf)
	}
	if !slices.ContainsFunc(d.Warnings, func(s string) bool { return strings.Contains(s, "workers is 2") }) {
		t.Errorf("%q", d.Warnings)
	}
}

// The project's odoo.conf hides the image's own, which says where addons/ is
// mounted: `odpm -d test -i my_module` found no module.
func TestImageConf(t *testing.T) {
	const own = "[options]\naddons_path = /mnt/extra-addons\ndata_dir = /var/lib/odoo\nadmin_passwd = x\nlimit_time_cpu = 77\n"
	for name, tt := range map[string]struct {
		conf   string
		addons bool
		image  string
		want   string
	}{
		"a newcomer's":         {"[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n", true, own, "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\naddons_path = /mnt/extra-addons\n"},
		"none yet":             {"", false, own, "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\naddons_path = /mnt/extra-addons\nlimit_time_cpu = 77\n"},
		"without addons":       {"[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n", false, own, "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n"},
		"one that says it":     {"[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\naddons_path = /x\n", true, own, "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\naddons_path = /x\n"},
		"an image without one": {"[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n", true, "", "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0"}`, "odoo.conf": tt.conf}
			for file, text := range files {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if tt.addons {
				if err := os.Mkdir(filepath.Join(dir, "addons"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			in, err := inputs.Read(t.Context(), dir, nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			w := &world.World{Kind: engines.Docker, Stack: true, OdooImage: &engine.Image{Entrypoint: OfficialEntrypoint, Cmd: officialCmd, ImageFiles: engine.ImageFiles{AppendsLogin: true, Conf: tt.image}}}
			if tt.conf != "" {
				w.Files.Conf = []byte(tt.conf)
			}
			d, err := Make(in, w)
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Conf) != tt.want {
				t.Errorf("%s", d.Conf)
			}
		})
	}
}
