package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/snapshot"
)

// pythonProject is a project as Python odpm leaves it on disk: the manifest is a
// link into the developing project, and odoo.conf has sentences for values.
func pythonProject(t *testing.T, manifest, settings, env string) string {
	t.Helper()
	root := t.TempDir()
	dir, repo := filepath.Join(root, "P"), filepath.Join(root, "R", "my_addons")
	for path, text := range map[string]string{
		filepath.Join(repo, "odpm.json"):         manifest,
		filepath.Join(dir, "user_settings.json"): settings,
		filepath.Join(dir, ".env"):               env,
		filepath.Join(dir, "odoo.conf"): "[options]\naddons_path = the addons path is put in when the container starts\n" +
			"admin_passwd = the master password is put in when the container starts\ndata_dir = /home/odoo/.local/share/Odoo\ndb_host = db\ndb_user = odoo\ndb_password = odoo\n",
	} {
		if text == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dependencies", ".venv", "data/odoo/home/odoo/.local/share/Odoo/filestore"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(repo, "odpm.json"), filepath.Join(dir, "odpm.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}

const flatManifest = `{"python_version": "3.10", "distro_name": "debian", "distro_version": "12", "odoo_version": "17.0", "platform_name": "odoo",
 "dependencies": ["https://github.com/OCA/web 17.0"], "requirements_txt": [], "odoo_git_link": "https://github.com/odoo/odoo 17.0", "odpm_version": "4.6"}`

func TestPythonVersions(t *testing.T) {
	for name, tt := range map[string]struct {
		manifest, on         string
		last                 bool
		postgres, odoo, says string
	}{
		"missing, nothing on disk": {flatManifest, "", false, "13", "17.0", "Python odpm assumes it"},
		"missing, on disk":         {flatManifest, "15", false, "15", "17.0", "that is in "},
		"missing, the last run's":  {flatManifest, "", true, "16", "17.0", "the last run was proven with it"},
		"said":                     {strings.Replace(flatManifest, "{", `{"postgres_version": "14", `, 1), "", false, "14", "17.0", ""},
		"v2, the branch":           {`{"manifest_schema": 2, "postgres": {"version": "16"}, "platform": {"git": "https://github.com/odoo/odoo 18.0", "name": "odoo"}}`, "", false, "16", "18.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := pythonProject(t, tt.manifest, "", "ODPM_IDE=pycharm\n")
			if tt.on != "" {
				at := filepath.Join(dir, "data/postgresql/var/lib/postgresql/data")
				if err := os.MkdirAll(filepath.Join(at, "global"), 0o755); err != nil {
					t.Fatal(err)
				}
				for file, text := range map[string]string{"PG_VERSION": tt.on + "\n", "global/pg_control": "12345678"} {
					if err := os.WriteFile(filepath.Join(at, file), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tt.last {
				var s snapshot.Snapshot
				s.Compose.ImageTag, s.Compose.ServiceName, s.Compose.HostPort, s.Compose.DataPathAbs = "16", "db", 5432, "/x"
				s.Cluster.AppRole, s.Scenario = "odoo", "developer"
				data, err := s.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Join(dir, ".odpm/database"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, ".odpm/database", snapshot.FileName), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, err := Load(dir, nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if p.PostgresVersion != tt.postgres || p.OdooVersion != tt.odoo {
				t.Errorf("PostgreSQL %s, Odoo %s", p.PostgresVersion, p.OdooVersion)
			}
			said := strings.Join(p.Warnings, "\n")
			if tt.says != "" && !strings.Contains(said, tt.says) || tt.says == "" && strings.Contains(said, "postgres_version") || strings.Contains(said, "did you mean") {
				t.Errorf("%s", said)
			}
		})
	}
}

func TestPythonSettings(t *testing.T) {
	dir := pythonProject(t, `{"manifest_schema": 2, "postgres": {"version": "16"}, "platform": {"git": "https://github.com/odoo/odoo 18.0"},
 "scenarios": {"server": {}}, "hooks": {"before_start": ["make"]}, "service_patches": {"db": {"shm_size": "2g"}},
 "services": {"mailhog": {"image": "mailhog"}}, "sidecars": {"redis": {"image": "redis:7"}},
 "odoo_conf": {"options": {"dbfilter": "^prod", "proxy_mode": true, "workers": 4}}}`,
		`{"db_manager_password": "${@secret:MASTER}", "db_creation_data": {"db_default_admin_password": "${ADMIN_PW:-fallback}"}, "dev_mode": "all", "sql_queries": ["select 1"], "use_oca_dependencies": false}`,
		"MASTER=m4ster\nODPM_COMPOSE_NETWORK=shared\nODPM_COMPOSE_NETWORK_EXTERNAL=true\n")
	p, err := Load(dir, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(p.Warnings, "\n")
	for _, key := range []string{"scenarios", "hooks", "service_patches"} {
		if !strings.Contains(said, "odpm.json: "+key+" ") {
			t.Errorf("%s is passed over: %s", key, said)
		}
	}
	for key, want := range map[string]bool{"dev_mode": true, "sql_queries": true, "use_oca_dependencies": false, "create_module_links": false} {
		if strings.Contains(said, "user_settings.json: "+key+" ") != want {
			t.Errorf("%s is said: %t, want %t: %s", key, !want, want, said)
		}
	}
	if p.Services["redis"] == nil || p.Services["mailhog"] == nil {
		t.Errorf("services: %v", p.Services)
	}
	if got := p.ConfOptions; got["dbfilter"] != "^prod" || got["proxy_mode"] != "True" || got["workers"] != "4" {
		t.Errorf("options: %v", got)
	}
	if p.Settings.ManagerPassword != "m4ster" || p.Settings.AdminPassword != "fallback" {
		t.Errorf("%+v", p.Settings)
	}
	if p.Network != "shared" || !p.NetworkExternal {
		t.Errorf("network %q %v", p.Network, p.NetworkExternal)
	}
	for v, want := range map[string]bool{"the master password is put in when the container starts": true, "$pbkdf2-sha512$25000$a b c": false, "correct horse": false, "addons, own, web": false, "/mnt/a, /mnt/b, /mnt/c": false} {
		if Placeholder(v) != want {
			t.Errorf("%q", v)
		}
	}
}
