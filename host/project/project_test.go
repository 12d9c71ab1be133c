package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/project"
)

// write makes a project directory called acme from name → content pairs.
func write(t *testing.T, files map[string]string) (dir, home string) {
	t.Helper()
	root := t.TempDir()
	dir, home = filepath.Join(root, "Acme Shop"), filepath.Join(root, "home")
	for name, content := range files {
		base := dir
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			base, name = home, rest
		}
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, home
}

const manifest = `{"postgres_version": "15", "odoo_version": "18.0"}`

func TestDefaults(t *testing.T) {
	dir, home := write(t, map[string]string{"odpm.json": manifest})
	p, err := project.Load(dir, nil, home)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{p.Name, p.ServiceName, p.OdooServiceName, p.PostgresPort, p.OdooPort, p.GeventPort, p.PostgresBind, p.Scenario, p.Runtime,
		p.AppRole, p.AppPassword, p.PostgresMajor, p.OdooMajor, p.PostgresImage, p.OdooImage,
		strings.TrimPrefix(p.DataDir, p.Dir), filepath.Base(p.OdooConfPath), p.BackupDir}
	want := []any{"acmeshop", "db", "odoo", 5432, 8069, 8072, "127.0.0.1", project.Developer, project.Auto,
		"odoo", "odoo", 15, 18, "postgres:15", "odoo:18.0",
		"/data/postgresql/var/lib/postgresql/data", "odoo.conf", filepath.Join(home, "odoo_backups")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLayers(t *testing.T) {
	dir, home := write(t, map[string]string{
		"odpm.json":     `{"manifest_schema": 2, "postgres": {"version": "18.1-alpine"}, "platform": {"name": "shop", "odoo_version": "17.0"}, "services": {"mail": {"image": "mailpit"}}, "other": [1]}`,
		".env":          "POSTGRES_PORT=5433\nODOO_PORT=8070 # mine\nexport ODPM_COMPOSE_PREFIX=\"Acme-\"\nPOSTGRES_SERVICE_NAME=pg\nPOSTGRES_DATA_DIR=~/pg\n",
		"~/.odpm/.env":  "POSTGRES_PORT=1111\nGEVENT_PORT=9000\nODPM_SCENARIO=ci\n",
		"shop.conf":     "[options]\ndb_user = erp\ndb_password = a#b;c%\ndb_host = acme-db\n",
		"odoo.conf":     "[options]\ndb_user = wrong\n",
		"addons/x/y.py": "",
	})
	p, err := project.Load(dir, []string{"ODOO_PORT=8099"}, home)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{p.PostgresPort, p.OdooPort, p.GeventPort, string(p.Scenario), p.Name, p.ServiceName, p.OdooServiceName, p.VolumeName,
		p.AppRole, p.AppPassword, p.AppRoleSource, p.PostgresMajor, p.OdooMajor, p.DataDir, len(p.Services), p.AddonsDir != "", len(p.Warnings)}
	want := []any{5433, 8099, 9000, "ci", "acme", "acme-db", "acme-odoo", "acme-postgres-data",
		"erp", "a#b;c%", "shop.conf:2", 18, 17, filepath.Join(home, "pg"), 1, true, 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !strings.Contains(p.Warnings[0], ".env:4") || !strings.Contains(p.Warnings[0], "acme-db") {
		t.Errorf("warning: %s", p.Warnings[0])
	}
}

func TestBadValues(t *testing.T) {
	tests := map[string]struct {
		env, manifest, conf, settings string
		want                          []string
	}{
		"port":          {env: "A=1\nPOSTGRES_PORT=70000\n", want: []string{".env:2", "POSTGRES_PORT", "70000", "1 to 65535"}},
		"two at once":   {env: "POSTGRES_PORT=x\nODPM_SCENARIO=prod\n", want: []string{"POSTGRES_PORT", "ODPM_SCENARIO", "developer, server, ci"}},
		"prefix":        {env: "ODPM_COMPOSE_PREFIX=1shop\n", want: []string{"ODPM_COMPOSE_PREFIX", "1shop", "[a-z][a-z0-9-]*"}},
		"prefix umlaut": {env: "ODPM_COMPOSE_PREFIX=shöp\n", want: []string{"ODPM_COMPOSE_PREFIX"}},
		"bind":          {env: "POSTGRES_BIND=localhost\n", want: []string{"POSTGRES_BIND", "IP address"}},
		"runtime":       {env: "ODPM_RUNTIME=podman\n", want: []string{"auto, docker, native"}},
		"same ports":    {env: "ODOO_PORT=5432\n", want: []string{"ODOO_PORT", "5432", "POSTGRES_PORT"}},
		"no version":    {manifest: `{"odoo_version": "18.0"}`, want: []string{"postgres_version", `Add "postgres_version"`}},
		"old version":   {manifest: `{"postgres_version": "9.6", "odoo_version": "11.0"}`, want: []string{"postgres_version", "9.6", "PostgreSQL 12 or newer", "pg_dumpall"}},
		"odd version":   {manifest: `{"postgres_version": "latest", "odoo_version": "18.0"}`, want: []string{"postgres_version", "latest"}},
		"broken JSON":   {manifest: "{\n\"postgres_version\": \"15\",\n}", want: []string{"odpm.json:3"}},
		"version list":  {manifest: `{"postgres_version": ["15"], "odoo_version": {}}`, want: []string{"odpm.json:1:22: postgres_version; found a list", "odpm.json:1:46: odoo_version; found an object", "allowed: a string"}},
		"the right key": {manifest: "{\"manifest_schema\": 2,\n \"odoo\": {\"version\": \"18.0\"},\n \"postgres\": {\"version\": true}}", want: []string{"odpm.json:3:26: version is \"true\"; allowed: a string"}},
		"a plain value": {manifest: "{\"manifest_schema\": 2,\n \"odoo\": \"18.0\", \"postgres\":\n  \"latest\"}", want: []string{"odpm.json:3:3: postgres_version is \"latest\"; "}},
		"an option":     {manifest: "{\"postgres_version\": \"15\", \"odoo_version\": \"18.0\",\n \"odoo_conf\": {\"options\": {\"a\": 1,\n  \"workers\": {}}}}", want: []string{"odpm.json:3:14: workers; found an object"}},
		"one of a list": {settings: "{\"init_modules\": [\"sale\",\n  5]}", want: []string{"user_settings.json:2:3: init_modules is \"5\"; allowed: names of modules"}},
		"v2 of a list":  {manifest: `{"manifest_schema": 2, "postgres": [], "platform": {"odoo_version": "18.0"}}`, want: []string{"odpm.json:1:36: postgres; found a list; allowed: an object"}},
		"no object":     {manifest: `["15"]`, want: []string{"odpm.json:1:1: found a list; allowed: a JSON object"}},
		"open quote":    {env: "A=1\nPOSTGRES_ODOO_PASS=\"s3cret\nB=2\n", want: []string{".env:2", "POSTGRES_ODOO_PASS", "quote"}},
		"no equal sign": {env: "A=1\nPOSTGRES_ODOO_PASS s3cret\n", want: []string{".env:2", "NAME=value"}},
		"odd name":      {env: "POSTGRES_ODOO_PASS!s3cret\n", want: []string{".env:1", "NAME=value"}},
		"open brace":    {env: "POSTGRES_ODOO_PASS=s3cret${x\n", want: []string{".env:1", "POSTGRES_ODOO_PASS", "$$"}},
		"asked for":     {env: "POSTGRES_PORT=${FOO:?set FOO in the shell}\n", want: []string{".env", "FOO", "set FOO in the shell"}},
		"UTF-16":        {env: "\xff\xfeA\x00=\x00s\x003\x00", want: []string{".env:1", "UTF-16"}},
		"byte order":    {env: "\ufeffPOSTGRES_PORT=x\n", want: []string{".env:1", "POSTGRES_PORT"}},
		"URI port":      {env: "POSTGRES_PORT=postgres://u:s3cret@h/d\n", want: []string{".env:1", "POSTGRES_PORT", "postgres://…"}},
		"URI host":      {conf: "[options]\ndb_host = postgres://u:s3cret@h/d\n", want: []string{"odoo.conf:2", "db_host", "host name"}},
		"URI role":      {env: "POSTGRES_ODOO_USER=postgres://u:s3cret@h/d\n", want: []string{".env:1", "the name of a role"}},
		"reserved":      {conf: "[options]\ndb_user = pg_odoo\n", want: []string{"odoo.conf:2", "pg_odoo", "reserves"}},
		"reserved name": {env: "POSTGRES_ODOO_USER=public\n", want: []string{".env:1", "public", "reserves"}},
		"command":       {env: "ODOO_COMMAND=odoo -w 's3cret\n", want: []string{".env:1", "ODOO_COMMAND", "quote"}},
		"shell's line":  {env: "A=1\nODOO_COMMAND=odoo -w s3cret && echo done\n", want: []string{".env:2", "ODOO_COMMAND", "put the line into a script"}},
		"URI and role":  {env: "POSTGRES_ODOO_USER=a\n", conf: "[options]\ndb_user = postgres://u:s3cret@h/d\n", want: []string{"odoo.conf:2", ".env:1", "different"}},
		"two hosts":     {conf: "[options]\ndb_host = a\n  b\n", want: []string{"odoo.conf:2", "db_host"}},
		"tab in role":   {conf: "[options]\ndb_user = a\tb\n", want: []string{"odoo.conf:2", `a\tb`, "control characters"}},
		"no separator":  {conf: "[options]\ndb_password s3cret\n", want: []string{"odoo.conf:2", "db_password …"}},
		"no section":    {conf: "db_password = s3cret\n", want: []string{"odoo.conf:1", "[options]", "db_password …"}},
		"secret list":   {settings: `{"db_creation_data": {"db_default_admin_password": ["s3cret"]}}`, want: []string{"user_settings.json:1:52: db_default_admin_password", "in quotes"}},
		"broken conf":   {conf: "[options]\na = 1\na = 2\n", want: []string{"odoo.conf:3", "twice"}},
		"db_port":       {conf: "[options]\ndb_port = abc\n", want: []string{"odoo.conf:2", "db_port"}},
		"two users":     {env: "POSTGRES_ODOO_USER=a\n", conf: "[options]\ndb_user = b\n", want: []string{"odoo.conf:2", ".env:1", "POSTGRES_ODOO_USER"}},
		"two passwords": {env: "POSTGRES_ODOO_PASS=s3cret-one\n", conf: "[options]\ndb_password = s3cret-two\n", want: []string{"odoo.conf:2", ".env:1", "POSTGRES_ODOO_PASS"}},
		"postgres":      {conf: "[options]\ndb_user = postgres\n", want: []string{"odoo.conf:2", "postgres"}},
		"settings":      {settings: `{"init_modules": ["ok", "no such-module"]}`, want: []string{"user_settings.json", "init_modules"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"odpm.json": manifest, ".env": tt.env}
			for file, content := range map[string]string{"odpm.json": tt.manifest, "odoo.conf": tt.conf, "user_settings.json": tt.settings} {
				if content != "" {
					files[file] = content
				}
			}
			dir, home := write(t, files)
			_, err := project.Load(dir, nil, home)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in:\n%s", w, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a password is in:\n%s", err)
			}
		})
	}
	dir, home := write(t, map[string]string{"x": ""})
	var config *project.ConfigError
	if _, err := project.Load(dir, nil, home); !errors.As(err, &config) || !strings.Contains(err.Error(), "odpm init") {
		t.Errorf("no odpm.json: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := project.Load(dir, nil, home); err == nil || !strings.Contains(err.Error(), "\nTo take over the stack of compose.yaml: odpm adopt compose.yaml\n") {
		t.Errorf("a compose file and no odpm.json: %v", err)
	}
}

// The image's entrypoint gives everything below the data directory to
// postgres: it must hold nothing else, and lie in nothing else. One sentence
// says so.
func TestDataDirectoryOfItsOwn(t *testing.T) {
	for value, want := range map[string]string{
		"/": "not this one", ".": "not this one", "~": "not this one",
		"data": "data/odoo", "data/odoo/pg": "data/odoo", ".odpm/pg": ".odpm", "~/odoo_backups": "odoo_backups",
		`"a\nb"`: "compose cannot mount such a path",
	} {
		dir, home := write(t, map[string]string{"odpm.json": manifest, ".env": "POSTGRES_DATA_DIR=" + value + "\n"})
		_, err := project.Load(dir, nil, home)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// Odoo's container can write in these directories: none may hold anything else,
// and none may lie where the container could put another one in its place.
func TestFilestoresElsewhere(t *testing.T) {
	dir, home := write(t, map[string]string{"odpm.json": manifest,
		".env": "ODOO_FILESTORE_DIR=~/fs\nODOO_FILESTORE_DIRS='prod=/big/prod \"my db=/big/a b\" a=b=c=../x'\n"})
	p, err := project.Load(dir, nil, home)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"prod": "/big/prod", "my db": "/big/a b", "a=b=c": filepath.Join(filepath.Dir(dir), "x")}
	if p.FilestoreDir != filepath.Join(home, "fs") || cmp.Diff(want, p.FilestoreDirs) != "" {
		t.Errorf("%q %q", p.FilestoreDir, p.FilestoreDirs)
	}
	for line, want := range map[string]string{
		"ODOO_FILESTORE_DIR=/": "holds /", "ODOO_FILESTORE_DIR=.": "file stores alone", "ODOO_FILESTORE_DIR=~": "file stores alone",
		"ODOO_FILESTORE_DIR=data": "file stores alone", "ODOO_FILESTORE_DIR=data/odoo/filestore": "data/odoo", "ODOO_FILESTORE_DIR=.odpm/x": ".odpm",
		"ODOO_FILESTORE_DIR=~/odoo_backups/x": "odoo_backups", "ODOO_FILESTORE_DIR=data/postgresql": "postgresql",
		"ODOO_FILESTORE_DIRS=prod": "NAME=DIRECTORY", "ODOO_FILESTORE_DIRS==/big": "NAME=DIRECTORY", "ODOO_FILESTORE_DIRS=prod=": "NAME=DIRECTORY",
		"ODOO_FILESTORE_DIRS='a=/b; b=/c'": "NAME=DIRECTORY", `ODOO_FILESTORE_DIRS='a="/b'`: "NAME=DIRECTORY", "ODOO_FILESTORE_DIRS=..=/big/x": "name of a database",
		"ODOO_FILESTORE_DIRS=prod=data/odoo/filestore/prod": "data/odoo", "ODOO_FILESTORE_DIRS='a=/big b=/big/b'": "directory each", "ODOO_FILESTORE_DIRS='a=/big b=/big'": "directory each",
		"ODOO_FILESTORE_DIR=/big\nODOO_FILESTORE_DIRS=a=/big/a": "outside of ODOO_FILESTORE_DIR",
	} {
		dir, home := write(t, map[string]string{"odpm.json": manifest, ".env": line + "\n"})
		_, err := project.Load(dir, nil, home)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ODOO_FILESTORE_DIR") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestSettings(t *testing.T) {
	dir, home := write(t, map[string]string{"odpm.json": manifest, ".env": "ADMIN_PW=hush\n",
		"user_settings.json": `{"init_modules": "sale, crm", "update_modules": ["stock"], "db_manager_password": "m",
		 "db_creation_data": {"db_default_admin_login": "boss", "db_default_admin_password": "${ADMIN_PW}", "db_lang": "de_DE", "create_demo": true}}`})
	p, err := project.Load(dir, nil, home)
	if err != nil {
		t.Fatal(err)
	}
	want := project.UserSettings{InitModules: []string{"sale", "crm"}, UpdateModules: []string{"stock"}, AdminLogin: "boss", AdminPassword: "hush", ManagerPassword: "m", Language: "de_DE", Demo: true}
	if d := cmp.Diff(want, p.Settings); d != "" {
		t.Error(d)
	}
	for creation, wanted := range map[string]string{
		`{"db_default_admin_password_file": "secrets/admin"}`:                                   filepath.Join(dir, "secrets/admin"),
		`{"db_default_admin_password_file": "/run/secrets/admin"}`:                              "/run/secrets/admin",
		`{"db_default_admin_password_file": "secrets/admin", "db_default_admin_password": "x"}`: "",
	} {
		if err := os.WriteFile(filepath.Join(dir, "user_settings.json"), []byte(`{"db_creation_data": `+creation+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := project.Load(dir, nil, home)
		if wanted == "" && err == nil || wanted != "" && (err != nil || p.Settings.AdminPasswordFile != wanted) {
			t.Errorf("%s: %v", creation, err)
		}
	}
	// A variable that is not set concerns --set-admin-pass alone.
	if err := os.WriteFile(filepath.Join(dir, "user_settings.json"), []byte(`{"db_creation_data": {"db_default_admin_password": "${NO_SUCH}"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err = project.Load(dir, nil, home)
	if err != nil || p.Settings.AdminPasswordUnset == nil || !strings.Contains(p.Settings.AdminPasswordUnset.Error(), "NO_SUCH is not set") {
		t.Errorf("%v", err)
	}
}

// An image of another major would be started on data that it cannot read.
func TestImageOfAnotherMajor(t *testing.T) {
	for name, c := range map[string]struct{ env, manifest, want string }{
		"env":          {"\nPOSTGRES_IMAGE=postgres:16-alpine\n", manifest, `.env:2: POSTGRES_IMAGE is "postgres:16-alpine"; an image of PostgreSQL 16, but the version in odpm.json is "15": both must say the same major`},
		"manifest":     {"", `{"manifest_schema": 2, "postgres": {"version": "15", "image": "pgvector/pgvector:pg16"}, "platform": {"version": "18.0"}}`, `odpm.json: postgres.image is "pgvector/pgvector:pg16"; an image of PostgreSQL 16`},
		"same":         {"POSTGRES_IMAGE=postgis/postgis:15-3.4\n", manifest, ""},
		"product's":    {"POSTGRES_IMAGE=citusdata/citus:12.1\n", manifest, ""},
		"kept compose": {"ODPM_COMPOSE=keep\nPOSTGRES_IMAGE=postgres:16\n", manifest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, home := write(t, map[string]string{"odpm.json": c.manifest, ".env": c.env})
			_, err := project.Load(dir, nil, home)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A link to a disk that is not mounted: its settings are not unset, another
// data directory would be taken, and a new cluster made in it.
func TestLinkToNothing(t *testing.T) {
	for _, name := range []string{".env", "~/.odpm/.env", "odpm.json", "odoo.conf", "shop.conf", "user_settings.json"} {
		dir, home := write(t, map[string]string{"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "shop"}`, "~/.odpm/x": ""})
		path := filepath.Join(dir, name)
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			path = filepath.Join(home, rest)
		}
		os.Remove(path)
		if err := os.Symlink("/nowhere/"+filepath.Base(name), path); err != nil {
			t.Fatal(err)
		}
		_, err := project.Load(dir, nil, home)
		if err == nil || !strings.Contains(err.Error(), "/nowhere/"+filepath.Base(name)) || !strings.HasSuffix(err.Error(), "rm '"+path+"'") && !strings.HasSuffix(err.Error(), "rm "+path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
