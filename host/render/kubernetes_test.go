package render_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/render"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/snapshot"
)

var update = flag.Bool("update", false, "write the golden files anew")

// secrets must stand in nothing that is rendered.
var secrets = []string{"db-s3cret", "master-s3cret", "smtp-s3cret", "url-s3cret"}

const conf = `[options]
db_host = pg-0.example,pg-1.example
db_port = 6432
db_user = odoo
db_password = db-s3cret
db_sslmode = verify-full
admin_passwd = master-s3cret
smtp_password = smtp-s3cret
smtp_server = smtp://u:url-s3cret@mail
list_db = True
workers = 4
http_port = 8070
addons_path = /mnt/extra-addons,
	/mnt/more
`

func input(t *testing.T, text string) render.Input {
	t.Helper()
	f, err := odooconf.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return render.Input{
		Project: project.Project{
			Name: "shop", OdooServiceName: "shop-odoo", ServiceName: "shop-db", OdooImage: "odoo:18.0", OdooVersion: "18.0", OdooMajor: 18,
			External: true, AppRole: "odoo", AppPassword: "db-s3cret", OdooConf: f, Scenario: project.Server,
		},
		Candidate: snapshot.Snapshot{
			Cluster: snapshot.Cluster{AppRole: "odoo", DataDirNonempty: true},
			Compose: snapshot.Compose{ServiceName: "shop-db", DataPathAbs: "/srv/pg", HostPort: 5432, ImageTag: "17"},
			OdooConf: snapshot.OdooConf{
				DBHost: "pg-0.example,pg-1.example", DBPort: 6432, DBUser: "odoo",
			}, Scenario: "server",
		},
	}
}

func options(change func(*render.KubernetesOptions)) render.KubernetesOptions {
	o := render.KubernetesOptions{Secret: "pg-app", Replicas: 1, Storage: "10Gi"}
	if change != nil {
		change(&o)
	}
	return o
}

// documents reads YAML as other programs do.
func documents(t *testing.T, text []byte) (docs []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		docs = append(docs, doc)
	}
}

func TestGolden(t *testing.T) {
	inCompose := input(t, "[options]\nlist_db = True\nadmin_passwd = master-s3cret\n")
	inCompose.Project.External = false
	inCompose.Project.Prefix, inCompose.Project.OdooServiceName, inCompose.Project.AddonsDir = "", "odoo", "/srv/shop/addons"
	for name, tc := range map[string]struct {
		in render.Input
		o  render.KubernetesOptions
	}{
		"external": {input(t, conf), options(func(o *render.KubernetesOptions) {
			o.Namespace, o.CASecret, o.Replicas, o.NetworkPolicy, o.Image = "shop", "pg-ca", 3, true, "registry.example/odoo-odpm:18.0"
		})},
		"checker": {inCompose, options(func(o *render.KubernetesOptions) {
			o.CheckerImage, o.UserKey = "registry.example/odpm-checker:1", "user"
		})},
		"update": {input(t, conf), options(func(o *render.KubernetesOptions) {
			o.Namespace, o.Database, o.Update, o.Replicas = "shop", "prod", "sale,crm", 3
		})},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := render.Kubernetes(tc.in, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".yaml")
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
			again, err := render.Kubernetes(tc.in, tc.o)
			if err != nil || !bytes.Equal(again.YAML, res.YAML) {
				t.Errorf("another time it is another text: %v", err)
			}
			for _, s := range secrets {
				if strings.Contains(string(res.YAML)+strings.Join(res.Notes, " "), s) {
					t.Errorf("%s is in it", s)
				}
			}
			for _, doc := range documents(t, res.YAML) {
				for _, member := range []string{"apiVersion", "kind", "metadata"} {
					if doc[member] == nil {
						t.Errorf("%v has no %s", doc["kind"], member)
					}
				}
			}
		})
	}
}

// TestConfOfTheConfigMap: what Odoo reads there is what it read before, but for
// the connection and the secrets.
func TestConfOfTheConfigMap(t *testing.T) {
	res, err := render.Kubernetes(input(t, conf), options(nil))
	if err != nil {
		t.Fatal(err)
	}
	data := documents(t, res.YAML)[0]["data"].(map[string]any)
	f, err := odooconf.Parse([]byte(data["odoo.conf"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"workers": "4", "http_port": "8070", "addons_path": "/mnt/extra-addons,\n/mnt/more", "list_db": "False", "db_sslmode": "verify-full"} {
		if got, _ := f.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"db_host", "db_port", "db_user", "db_password", "admin_passwd", "smtp_password", "smtp_server"} {
		if v, set := f.Get(key); set {
			t.Errorf("%s = %s", key, v)
		}
	}
	if notes := strings.Join(res.Notes, "\n"); !strings.Contains(notes, "admin_passwd, smtp_password, smtp_server") {
		t.Errorf("%s", notes)
	}
}

// TestConfigMapReplacesPods: pods see a changed odoo.conf only when they are made.
func TestConfigMapReplacesPods(t *testing.T) {
	annotation := func(text string) string {
		res, err := render.Kubernetes(input(t, text), options(nil))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(res.YAML)) {
			if strings.Contains(line, "odpm.org/config") {
				return line
			}
		}
		t.Fatal("no annotation")
		return ""
	}
	if annotation("[options]\nworkers = 2\n") == annotation("[options]\nworkers = 3\n") {
		t.Error("the same pods for another odoo.conf")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, tc := range []struct {
		option string
		change func(*render.KubernetesOptions)
	}{
		{"--namespace", func(o *render.KubernetesOptions) { o.Namespace = "Shop\nkind: Secret" }},
		{"--namespace", func(o *render.KubernetesOptions) { o.Namespace = "shop.example" }},
		{"--namespace", func(o *render.KubernetesOptions) { o.Namespace = strings.Repeat("n", 64) }},
		{"--secret", func(o *render.KubernetesOptions) { o.Secret = "" }},
		{"--secret", func(o *render.KubernetesOptions) { o.Secret = "pg..app" }},
		{"--user-key", func(o *render.KubernetesOptions) { o.UserKey = "a/b" }},
		{"--ca-secret", func(o *render.KubernetesOptions) { o.CASecret = "a b" }},
		{"--replicas", func(o *render.KubernetesOptions) { o.Replicas = 0 }},
		{"--storage", func(o *render.KubernetesOptions) { o.Storage = "much" }},
		{"--storage", func(o *render.KubernetesOptions) { o.Storage = "0.0Gi" }},
		{"--database", func(o *render.KubernetesOptions) { o.Update = "sale" }},
	} {
		_, err := render.Kubernetes(input(t, conf), options(tc.change))
		var e *render.OptionError
		if !errors.As(err, &e) || e.Option != tc.option {
			t.Errorf("%s: %v", tc.option, err)
		}
	}
	if _, err := render.Kubernetes(input(t, conf), options(func(o *render.KubernetesOptions) {
		o.Namespace, o.Storage, o.Secret = strings.Repeat("n", 63), "0.5Ti", "odoo.shop-pg.credentials.postgresql.acid.zalan.do"
	})); err != nil {
		t.Error(err)
	}
}

// TestNames: a service of compose may be called what no object of Kubernetes may.
func TestNames(t *testing.T) {
	for service, want := range map[string]string{
		"odoo":                   "odoo",
		"2024_Shop.odoo":         "odoo-2024-shop-odoo",
		"_":                      "odoo",
		strings.Repeat("a-", 40): strings.TrimSuffix(strings.Repeat("a-", 28), "-"),
		strings.Repeat("9", 100): "odoo-" + strings.Repeat("9", 51),
	} {
		in := input(t, conf)
		in.Project.OdooServiceName = service
		res, err := render.Kubernetes(in, options(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := documents(t, res.YAML)[0]["metadata"].(map[string]any)["name"]; got != want {
			t.Errorf("%s is called %s, want %s", service, got, want)
		}
	}
}

// TestNotesOfTheConnection: a setting with which no pod could start is reported when it is rendered.
func TestNotesOfTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		conf, says string
		ca         string
	}{
		"an authority is missing": {"db_host = pg\ndb_sslmode = verify-ca\n", "--ca-secret NAME", ""},
		"and is named":            {"db_host = pg\ndb_sslmode = verify-ca\n", "", "pg-ca"},
		"this machine":            {"db_host = pg,127.0.0.1\n", "is the pod itself", ""},
		"by IPv6":                 {"db_host = ::1\n", "is the pod itself", ""},
		"a socket":                {"db_host = /run/postgresql\n", "is the pod itself", ""},
		"another one":             {"db_host = 10.0.0.7\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := render.Kubernetes(input(t, "[options]\nadmin_passwd =\nlist_db = False\n"+tc.conf), options(func(o *render.KubernetesOptions) { o.CASecret, o.Image = tc.ca, "registry.example/odoo:1" }))
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(res.Notes, "\n")
			if tc.says == "" && (strings.Contains(notes, "db_host") || strings.Contains(notes, "db_sslmode")) || !strings.Contains(notes, tc.says) {
				t.Errorf("%q", notes)
			}
		})
	}
}
