package render_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/render"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/pglogin"
)

func swarmInput(t *testing.T) render.SwarmInput {
	t.Helper()
	text := []byte("[options]\ndb_host = shop-db\ndb_user = odoo\ndb_password = db-s3cret\n")
	f, err := odooconf.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := project.Project{
		Dir: "/srv/shop", Name: "shop", Prefix: "shop", ServiceName: "shop-db", OdooServiceName: "shop-odoo", VolumeName: "shop-postgres-data",
		PostgresVersion: "17", PostgresMajor: 17, OdooMajor: 18, OdooImage: "odoo:18.0", Scenario: project.Server,
		PostgresPort: 5432, OdooPort: 8069, GeventPort: 8072, DataDir: "/srv/shop/data/postgresql/var/lib/postgresql/data",
		OdooDataDir: "/srv/shop/data/odoo", OdooConf: f, OdooConfPath: "/srv/shop/odoo.conf", AppRole: "odoo",
		Services: map[string]any{"mail": map[string]any{"image": "mailhog", "ports": []any{"127.0.0.1:8025:8025"}}},
	}
	doc, err := compose.Build(compose.Spec{Project: p, OdooImage: "odpm/shop-odoo:0123", User: "1000:1000", HandoffID: "0123456789abcdef0123456789abcdef",
		PostgresPasswordFile: "/srv/shop/.odpm/state/postgres_password"})
	if err != nil {
		t.Fatal(err)
	}
	return render.SwarmInput{Project: p, Compose: doc, Conf: text, Handoff: []byte("{}"), PasswordInFile: true}
}

func TestSwarmGolden(t *testing.T) {
	res, err := render.Swarm(swarmInput(t), render.SwarmOptions{Node: "node-1", Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "swarm", "stack.yml")
	if *update {
		if err := os.WriteFile(path, res.YAML, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(res.YAML, want) {
		t.Errorf("not %s (go test ./host/render -update, and read the difference):\n%s", path, res.YAML)
	}
	if strings.Contains(string(res.YAML), "s3cret") {
		t.Error("a secret is in it")
	}
	notes := strings.Join(res.Notes, "\n")
	for _, want := range []string{"PostgreSQL is not published", "port 8025 of mail is for 127.0.0.1 alone", "--resolve-image never"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is missing in\n%s", want, notes)
		}
	}
}

// TestSwarmUpdates: Odoo's replicas are replaced one by one, each of them watched
// for longer than a checker waits; what a service of the person's own says of
// deploy stays.
func TestSwarmUpdates(t *testing.T) {
	in := swarmInput(t)
	in.Project.Services["mail"].(map[string]any)["deploy"] = map[string]any{
		"mode": "global", "resources": map[string]any{"limits": map[string]any{"memory": "64M"}}, "update_config": map[string]any{"order": "start-first"},
	}
	doc, err := compose.Build(compose.Spec{Project: in.Project, OdooImage: "odoo:18.0"})
	if err != nil {
		t.Fatal(err)
	}
	in.Compose = doc
	res, err := render.Swarm(in, render.SwarmOptions{Node: "n", Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	type service struct {
		Deploy struct {
			Mode     string
			Replicas *int
			Update   struct {
				Parallelism           *int
				Order, Delay, Monitor string
				FailureAction         string `yaml:"failure_action"`
			} `yaml:"update_config"`
			Resources map[string]map[string]string
		}
	}
	var stack struct{ Services map[string]service }
	if err := yaml.Unmarshal(res.YAML, &stack); err != nil {
		t.Fatal(err)
	}
	odoo, db, mail := stack.Services["shop-odoo"].Deploy, stack.Services["shop-db"].Deploy, stack.Services["mail"].Deploy
	u := odoo.Update
	if *odoo.Replicas != 2 || u.Parallelism == nil || *u.Parallelism != 1 || u.Order != "stop-first" || u.FailureAction != "rollback" {
		t.Errorf("Odoo: %+v", odoo)
	}
	for _, text := range []string{u.Delay, u.Monitor} {
		if d, err := time.ParseDuration(text); err != nil || d <= pglogin.DefaultTimeout {
			t.Errorf("the next replica is replaced after %q, when this one's checker may still be waiting", text)
		}
	}
	if db.Update.Order != "stop-first" || *db.Replicas != 1 {
		t.Errorf("PostgreSQL: %+v", db)
	}
	if mail.Mode != "global" || mail.Replicas != nil || mail.Resources["limits"]["memory"] != "64M" || mail.Update.Order != "start-first" {
		t.Errorf("a service of the person's own: %+v", mail)
	}
}

// TestSwarmOverride: what the person's override changes is no part of the file,
// and docker stack deploy merges files of one version alone.
func TestSwarmOverride(t *testing.T) {
	res, err := render.Swarm(swarmInput(t), render.SwarmOptions{Node: "n", Replicas: 1, Overrides: []string{"docker-compose.override.yml"}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(res.YAML)
	if !strings.Contains(text, "-c FILE -c docker-compose.override.yml shop\n") || strings.Contains(text, "\nversion:") || !strings.Contains(text, "# Add to this what docker-compose.override.yml changes in shop-odoo:") {
		t.Errorf("%s", text)
	}
	if !strings.Contains(strings.Join(res.Notes, "\n"), "docker-compose.override.yml") {
		t.Errorf("%q", res.Notes)
	}
}

func TestSwarmRefuses(t *testing.T) {
	in, o := swarmInput(t), render.SwarmOptions{Node: "n", Replicas: 1}
	var option *render.OptionError
	if _, err := render.Swarm(in, render.SwarmOptions{Replicas: 1}); !errors.As(err, &option) || option.Option != "--node" {
		t.Error(err)
	}
	if _, err := render.Swarm(in, render.SwarmOptions{Node: "n"}); !errors.As(err, &option) || option.Option != "--replicas" {
		t.Error(err)
	}
	in.PasswordInFile = false
	if _, err := render.Swarm(in, o); err == nil || !strings.Contains(err.Error(), "write db_password into odoo.conf") {
		t.Error(err)
	}
	in = swarmInput(t)
	in.Compose = nil
	if _, err := render.Swarm(in, o); err == nil || !strings.Contains(err.Error(), "ODPM_COMPOSE=keep") {
		t.Error(err)
	}
}

// TestSwarmEnvFiles: Swarm reads env_file itself. Odoo's own, with its password, is left
// out, and of one that may be missing a warning says that Swarm needs it.
func TestSwarmEnvFiles(t *testing.T) {
	in := swarmInput(t)
	mail := in.Project.Services["mail"].(map[string]any)
	mail["env_file"] = []any{"./mail.env", map[string]any{"path": "none.env", "required": false}, map[string]any{"path": "/etc/more.env"}}
	mail["profiles"] = []any{"debug"}
	doc, err := compose.Build(compose.Spec{Project: in.Project, OdooImage: "odoo:18.0", OdooEnvFile: "/srv/shop/.odpm/state/odoo.env"})
	if err != nil {
		t.Fatal(err)
	}
	in.Compose = doc
	res, err := render.Swarm(in, render.SwarmOptions{Node: "node-1", Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Services map[string]struct {
			EnvFile  []string `yaml:"env_file"`
			Profiles []string
		}
	}
	if err := yaml.Unmarshal(res.YAML, &stack); err != nil {
		t.Fatal(err)
	}
	if have := strings.Join(stack.Services["mail"].EnvFile, " "); have != "/srv/shop/mail.env /srv/shop/none.env /etc/more.env" {
		t.Errorf("%q\n%s", have, res.YAML)
	}
	if strings.Contains(string(res.YAML), "odoo.env") {
		t.Errorf("Odoo's own is in it:\n%s", res.YAML)
	}
	notes := strings.Join(res.Notes, "\n")
	for _, want := range []string{"none.env may be missing", "service mail is started without its profile"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is missing in\n%s", want, notes)
		}
	}
}
