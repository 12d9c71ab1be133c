package compose

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/odooconf"
)

// acme is a project on the disk, so that compose finds what the document names.
func acme(t *testing.T) project.Project {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return project.Project{
		Dir: dir, Name: "acme", ServiceName: "db", OdooServiceName: "odoo", VolumeName: "postgres-data",
		PostgresMajor: 15, PostgresVersion: "15", OdooMajor: 18, OdooVersion: "18.0", OdooImage: "odoo:18.0",
		Scenario: project.Developer, PostgresBind: "127.0.0.1", PostgresPort: 5432, OdooPort: 8069, GeventPort: 8072,
		DataDir: filepath.Join(dir, "data/postgresql/var/lib/postgresql/data"), OdooDataDir: filepath.Join(dir, "data/odoo"),
		OdooConfPath: filepath.Join(dir, "odoo.conf"), AppRole: "odoo",
	}
}

// config is the independent oracle: what docker compose understands.
type config struct {
	Name     string
	Services map[string]struct {
		Image, User, Restart, StopGracePeriod string
		Command, Entrypoint                   []string
		Environment                           map[string]*string
		Ports                                 []struct {
			HostIP    string `json:"host_ip"`
			Published string
			Target    int
		}
		Volumes []struct {
			Type, Source, Target string
			ReadOnly             bool `json:"read_only"`
		}
		Healthcheck struct{ Test []string }
		DependsOn   map[string]struct{ Condition string } `json:"depends_on"`
		ShmSize     string                                `json:"shm_size"`
		Grace       string                                `json:"stop_grace_period"`
		Secrets     []struct{ Source, Target string }
	}
	Volumes map[string]struct {
		Name       string
		Driver     string
		External   bool
		DriverOpts map[string]string `json:"driver_opts"`
	}
	Secrets map[string]struct{ File string }
}

func dockerConfig(t *testing.T, dir string, doc []byte) config {
	t.Helper()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, doc, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker", "compose", "-p", "acme", "-f", FileName, "config", "--format", "json")
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker compose config: %v\n%s\n%s", err, stderr.String(), doc)
	}
	if stderr.Len() > 0 {
		t.Errorf("docker compose config warns: %s", stderr.String())
	}
	var c config
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return c
}

func TestRealComposeUnderstandsEveryVariant(t *testing.T) {
	conf, err := odooconf.Parse([]byte("[options]\ndata_dir = /var/lib/odoo\nhttp_port = 9069\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Spec){
		"developer": func(*Spec) {},
		"prefix": func(s *Spec) {
			p := &s.Project
			p.Prefix, p.ServiceName, p.OdooServiceName, p.VolumeName = "acme", "acme-db", "acme-odoo", "acme-postgres-data"
		},
		"file stores elsewhere": func(s *Spec) {
			s.Project.FilestoreDir = "/big/file stores"
			s.Project.FilestoreDirs = map[string]string{"prod": "/big/prod", "my $db": filepath.Join(s.Project.Dir, "mine")}
		},
		"server":   func(s *Spec) { s.Project.Scenario = project.Server },
		"ci":       func(s *Spec) { s.Project.Scenario = project.CI },
		"major 18": func(s *Spec) { s.Project.PostgresMajor, s.Project.PostgresVersion = 18, "18" },
		"external": func(s *Spec) { s.Project.External, s.Project.ServiceName = true, "db.example.com" },
		"volume":   func(s *Spec) { s.Project.DataVolume, s.Project.DataDir = "old_pgdata", "" },
		"addons":   func(s *Spec) { s.Project.AddonsDir = filepath.Join(s.Project.Dir, "addons") },
		"no user":  func(s *Spec) { s.User = "" },
		"entrypoint": func(s *Spec) {
			s.Entrypoint = []string{"/usr/local/bin/odpm-checker", "--", "/entrypoint.sh"}
		},
		"ipv6 bind": func(s *Spec) { s.Project.PostgresBind = "::1" },
		"conf":      func(s *Spec) { s.Project.OdooConf = conf },
		"dollars": func(s *Spec) {
			s.Project.DataDir = "/srv/a $HOME ${x}/b:c'd\"e"
			s.Project.AppRole = "ro$le"
		},
		"services": func(s *Spec) {
			s.Project.Services = map[string]any{"mail": map[string]any{
				"image": "mailpit:${MAILPIT_TAG:-1}", "volumes": []any{"maildata:/data"}, "ports": []any{"8025:8025"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Project: acme(t), User: "1000:1000", HandoffID: "h1", PostgresPasswordFile: ".odpm/state/postgres_password"}
			change(&s)
			doc, err := Build(s)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := Build(s)
			if string(doc) != string(again) {
				t.Error("two builds differ")
			}
			if !IsOurs(doc) {
				t.Error("not recognised as ours")
			}
			checkConfig(t, s, dockerConfig(t, s.Project.Dir, doc))
		})
	}
}

func checkConfig(t *testing.T, s Spec, c config) {
	t.Helper()
	p := s.Project
	eq := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	odoo := c.Services[p.OdooServiceName]
	eq("command", odoo.Command, s.OdooCommand())
	eq("entrypoint", odoo.Entrypoint, s.Entrypoint)
	eq("user", odoo.User, s.User)
	eq("id", *odoo.Environment[handoff.EnvID], "h1")
	restart := map[project.Scenario]string{project.Server: "unless-stopped", project.Developer: "no", project.CI: "no"}[p.Scenario]
	eq("restart", odoo.Restart, restart)
	bindIP := "127.0.0.1"
	if p.Scenario == project.Server {
		bindIP = ""
	}
	http := 8069
	if p.OdooConf != nil {
		http = 9069
		eq("command", odoo.Command, []string{"odoo"})
	}
	eq("odoo ports", odoo.Ports, []any{
		struct {
			a, b string
			c    int
		}{bindIP, "8069", http}, struct {
			a, b string
			c    int
		}{bindIP, "8072", 8072}})
	mounts := map[string]string{}
	for _, v := range odoo.Volumes {
		mounts[v.Target] = fmt.Sprint(v.Source, " ", v.ReadOnly)
	}
	eq("conf", mounts["/etc/odoo/odoo.conf"], p.OdooConfPath+" true")
	eq("data", mounts["/var/lib/odoo"], p.OdooDataDir+" false")
	if p.FilestoreDir != "" {
		eq("file stores", mounts["/var/lib/odoo/filestore"], p.FilestoreDir+" false")
	}
	for name, dir := range p.FilestoreDirs {
		// The order of compose's own escaping: what it prints is escaped again.
		eq("file store of "+name, mounts["/var/lib/odoo/filestore/"+strings.ReplaceAll(name, "$", "$$")], dir+" false")
	}
	eq("runtime", mounts["/run/odpm/runtime"], filepath.Join(p.Dir, ".odpm/runtime")+" true")
	eq("database", mounts["/run/odpm/database"], filepath.Join(p.Dir, ".odpm/database")+" false")
	if p.AddonsDir != "" {
		eq("addons", mounts["/mnt/extra-addons"], p.AddonsDir+" true")
	}
	if p.External {
		eq("services", len(c.Services), 1)
		eq("depends_on", len(odoo.DependsOn), 0)
		return
	}
	eq("depends_on", odoo.DependsOn[p.ServiceName].Condition, "service_healthy")
	db := c.Services[p.ServiceName]
	eq("image", db.Image, "postgres:"+p.PostgresVersion)
	eq("db restart", db.Restart, restart)
	eq("grace", db.Grace, "2m0s")
	eq("shm", db.ShmSize, "1073741824")
	// The order of compose's own escaping: what it prints is escaped again.
	eq("health", strings.ReplaceAll(strings.Join(db.Healthcheck.Test, " "), "$$", "$"),
		"CMD pg_isready -q -h 127.0.0.1 -p 5432 -U "+p.AppRole+" -d postgres")
	eq("bind", db.Ports[0].HostIP+" "+db.Ports[0].Published, p.PostgresBind+" 5432")
	eq("password", *db.Environment["POSTGRES_PASSWORD_FILE"], "/run/secrets/postgres_password")
	eq("secret", c.Secrets["postgres_password"].File, filepath.Join(p.Dir, ".odpm/state/postgres_password"))
	eq("target", db.Volumes[0].Target, datadir.MountTarget(p.PostgresMajor))
	eq("source", db.Volumes[0].Source, p.VolumeName)
	v := c.Volumes[p.VolumeName]
	if p.DataVolume != "" {
		eq("external", fmt.Sprint(v.External, v.Name), "true"+p.DataVolume)
		return
	}
	eq("device", strings.ReplaceAll(v.DriverOpts["device"], "$$", "$"), p.DataDir)
	eq("o", v.DriverOpts["o"]+v.Driver, "bindlocal")
}

func TestNothingSecretIsInTheDocument(t *testing.T) {
	s := Spec{Project: acme(t), PostgresPasswordFile: ".odpm/state/postgres_password", OdooEnvFile: ".odpm/state/odoo.env"}
	s.Project.AppPassword = "hunter2-secret"
	s.Project.Settings.AdminPassword = "hunter2-secret"
	s.Project.Env = map[string]string{"POSTGRES_ODOO_PASS": "hunter2-secret"}
	doc, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(doc), "hunter2") {
		t.Errorf("the password is in the document:\n%s", doc)
	}
}

func TestPasswordSurvivesTheEnvironmentFile(t *testing.T) {
	for _, password := range []string{`plain`, `a'b"c`, `back\slash\`, `$HOME ${x} $$`, `tr # ail`, ` spaces `, `üñí`, `\"`, `\n\t`, `=:#`} {
		s := Spec{Project: acme(t), OdooEnvFile: ".odpm/state/odoo.env"}
		content, err := PasswordEnv(password)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(s.Project.Dir, ".odpm/state"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Project.Dir, s.OdooEnvFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		doc, err := Build(s)
		if err != nil {
			t.Fatal(err)
		}
		c := dockerConfig(t, s.Project.Dir, doc)
		for _, key := range []string{"PASSWORD", "PGPASSWORD"} {
			if got := strings.ReplaceAll(*c.Services["odoo"].Environment[key], "$$", "$"); got != password {
				t.Errorf("%s: got %q, want %q", key, got, password)
			}
		}
	}
	if _, err := PasswordEnv("two\nlines"); err == nil {
		t.Error("a line break was accepted")
	}
}

func TestBuildRefuses(t *testing.T) {
	for want, change := range map[string]func(*Spec){
		"both called":                     func(s *Spec) { s.Project.ServiceName = "odoo" },
		"services.db has the name":        func(s *Spec) { s.Project.Services = map[string]any{"db": map[string]any{"image": "x"}} },
		"services.mail is string":         func(s *Spec) { s.Project.Services = map[string]any{"mail": "x"} },
		"services.mail: validating":       func(s *Spec) { s.Project.Services = map[string]any{"mail": map[string]any{"imag": "x"}} },
		"the PostgreSQL data directory":   func(s *Spec) { s.Project.DataDir = "" },
		"the Odoo image is not set":       func(s *Spec) { s.Project.OdooImage = "" },
		"the PostgreSQL version is not s": func(s *Spec) { s.Project.PostgresVersion = "" },
	} {
		s := Spec{Project: acme(t)}
		change(&s)
		if _, err := Build(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
