package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
)

// shop unpacks an archive of testdata into a directory whose name is
// not the project's, so that a proposal must carry the name.
func shop(t *testing.T, archive string) (dir string, want map[string]string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	dir, err = filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]string{}
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "want.") {
			want[f.Name] = string(f.Data)
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, want
}

func TestForeign(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(archives, err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".txtar"), func(t *testing.T) {
			dir, want := shop(t, archive)
			var env map[string]string
			if !strings.Contains(readAll(t, dir), "\nname:") && !strings.HasPrefix(readAll(t, dir), "name:") {
				env = map[string]string{"COMPOSE_PROJECT_NAME": "shop"}
			}
			f, err := Read(context.Background(), dir, env)
			if err != nil {
				t.Fatal(err)
			}
			if name := f.Doc.Environment["ODOO_SERVICE_NAME"]; name != "" {
				if err := f.Use("", name); err != nil {
					t.Fatal(err)
				}
			}
			p := f.Propose(Place{Dir: dir})
			existing, _ := os.ReadFile(filepath.Join(dir, ".env"))
			content, differing, err := p.EnvFile(existing)
			if err != nil || len(differing) > 0 {
				t.Fatal(differing, err)
			}
			override := takenOver(t, f, p, dir, content)
			if *update {
				rewrite(t, archive, map[string]string{"want.env": string(content), "want.json": string(p.Manifest), "want.problems": problemCodes(p), "want.override": override})
			}
			if d := cmp.Diff(want["want.override"], override); d != "" {
				t.Errorf("docker-compose.override.yml (-want +got)\n%s", d)
			}
			if d := cmp.Diff(want["want.env"], string(content)); d != "" {
				t.Errorf(".env (-want +got)\n%s", d)
			}
			if d := cmp.Diff(want["want.json"], string(p.Manifest)); d != "" {
				t.Errorf("odpm.json (-want +got)\n%s", d)
			}
			for _, x := range p.Problems {
				if x.Message == "" || x.Way == "" {
					t.Errorf("%+v says too little", x)
				}
				for _, v := range p.Vars {
					if v.Secret && len(v.Value) > 3 && strings.Contains(x.Message+x.Way, v.Value) {
						t.Errorf("a secret in %+v", x)
					}
				}
			}
			if d := cmp.Diff(want["want.problems"], problemCodes(p)); d != "" {
				t.Errorf("problems (-want +got)\n%s\n%+v", d, p.Problems)
			}
			again, err := dotenv.Parse(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range p.Vars {
				if got := firstOf(again["ODPM_"+v.Key], again[v.Key]); got != v.Value {
					t.Errorf("%s: compose reads %q, meant is %q", v.Key, got, v.Value)
				}
			}
			oracle(t, f, env)
		})
	}
}

var update = flag.Bool("update", false, "rewrite the archives of testdata")

func problemCodes(p Proposal) string {
	var codes strings.Builder
	for _, x := range p.Problems {
		codes.WriteString(x.Code)
		if x.Blocking {
			codes.WriteString(" BLOCKS")
		}
		codes.WriteString("\n")
	}
	return codes.String()
}

func rewrite(t *testing.T, archive string, sections map[string]string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range sections {
		i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
		switch {
		case i >= 0:
			a.Files[i].Data = []byte(text)
		case text != "":
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(archive, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// takenOver is the override beside odpm's document. docker compose itself has to
// accept both together, and with the override nothing more is to be carried
// over. "" where the proposal has to be answered first.
func takenOver(t *testing.T, f *File, p Proposal, dir string, dotenv []byte) string {
	t.Helper()
	if p.Blocking() || strings.Contains(problemCodes(p), "odoo_version") {
		return ""
	}
	files := project.Files{".env": dotenv, "odpm.json": p.Manifest}
	if p.Conf != nil {
		files["odoo.conf"] = p.Conf
	}
	ours, err := project.LoadWith(dir, nil, t.TempDir(), files)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Difference(context.Background(), *ours, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := compose.Build(compose.Spec{Project: *ours})
	if err != nil {
		t.Fatal(err)
	}
	own, over := filepath.Join(dir, "own.yml"), filepath.Join(dir, "over.yml")
	env := filepath.Join(dir, "own.env")
	for path, text := range map[string][]byte{own: doc, over: d.Override, env: dotenv} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if d.Override == nil {
		return ""
	}
	cmd := exec.Command("docker", "compose", "--env-file", env, "--profile", "*", "-f", own, "-f", over, "config", "--quiet")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("docker compose config: %v\n%s\n%s", err, out, d.Override)
	}
	again, err := f.Difference(context.Background(), *ours, []string{over}, d.Override)
	if err != nil {
		t.Fatal(err)
	}
	if again.Override != nil {
		t.Errorf("carried over twice: %v\n%s", again.Carried, again.Override)
	}
	return string(d.Override)
}

func readAll(t *testing.T, dir string) string {
	t.Helper()
	files, err := findFiles(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// resolved is what docker compose makes of a file, as far as it is compared.
type resolved struct {
	Name     string
	Services map[string]struct {
		Image   string
		Ports   []struct{ Published string }
		Volumes []struct{ Type, Source, Target string }
	}
	Volumes map[string]struct{ Name string }
}

// oracle compares with what docker compose itself makes of the files.
func oracle(t *testing.T, f *File, env map[string]string) {
	t.Helper()
	cmd := exec.Command("docker", "compose", "--profile", "*", "config", "--format", "json")
	cmd.Dir, cmd.Env = f.Dir, os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker compose config: %v", err)
	}
	var c resolved
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	if c.Name != f.Name {
		t.Errorf("name %q, compose says %q", f.Name, c.Name)
	}
	if f.Postgres == nil {
		return
	}
	s := c.Services[f.Postgres.Service]
	if s.Image != f.Postgres.Image {
		t.Errorf("image %q, compose says %q", f.Postgres.Image, s.Image)
	}
	published := ""
	for _, p := range s.Ports {
		published = p.Published
	}
	if n, _ := strconv.Atoi(published); n != f.Postgres.Port && published != "" {
		t.Errorf("port %d, compose says %s", f.Postgres.Port, published)
	}
	for _, v := range s.Volumes {
		if v.Target != f.Postgres.Target || f.Postgres.MountSource == "" {
			continue
		}
		source := v.Source
		if v.Type == "volume" {
			source = c.Volumes[v.Source].Name
		}
		if source != f.Postgres.MountSource {
			t.Errorf("mounted is %q, compose says %q", f.Postgres.MountSource, source)
		}
	}
}

// The proposal must be what project.Load understands, with the same meaning.
func TestProposalLoads(t *testing.T) {
	for _, name := range []string{"official", "secrets", "doodba", "anchors", "layout18", "subdirectory"} {
		t.Run(name, func(t *testing.T) {
			dir, want := shop(t, "testdata/"+name+".txtar")
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(want["want.env"]), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "odpm.json"), []byte(want["want.json"]), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Read(context.Background(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := project.Load(dir, nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			got := []any{p.Name, p.ServiceName, p.DataDir, p.DataVolume, p.PostgresMajor, p.PostgresImage, p.OdooVersion}
			meant := []any{f.Name, f.Postgres.Service, f.Postgres.DataDir, f.Postgres.DataVolume, f.Postgres.Major, f.Postgres.Image, f.Odoo.Version}
			if d := cmp.Diff(meant, got); d != "" {
				t.Errorf("(-file +project)\n%s", d)
			}
			if f.Postgres.Port != 0 && p.PostgresPort != f.Postgres.Port {
				t.Errorf("port %d, want %d", p.PostgresPort, f.Postgres.Port)
			}
		})
	}
}

func TestForeignUse(t *testing.T) {
	dir, _ := shop(t, "testdata/two_undecided.txtar")
	f, err := Read(context.Background(), filepath.Join(dir, "docker-compose.yml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Use("db3", ""); err == nil || !strings.Contains(err.Error(), "db1, db2, odoo") {
		t.Errorf("%v", err)
	}
	if err := f.Use("db2", ""); err != nil {
		t.Fatal(err)
	}
	if f.Postgres == nil || f.Postgres.DataDir != filepath.Join(dir, "2") || f.Odoo == nil {
		t.Errorf("%+v", f.Postgres)
	}
	for _, p := range f.Problems {
		if p.Code == "candidates" {
			t.Errorf("decided, and still: %+v", p)
		}
	}
}

// COMPOSE_FILE is what the person's own docker compose goes by: other files, in
// a directory below, their paths relative to it, and no override.
func TestReadFollowsComposeFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"docker-compose.yml":          "services: {other: {image: busybox}}\n",
		"docker-compose.override.yml": "services: {other: {image: busybox}}\n",
		"deploy/base.yml":             "services:\n  pg:\n    image: postgres:15\n    volumes: [\"../pg:/var/lib/postgresql/data\"]\n  odoo: {image: \"odoo:18.0\", depends_on: [pg]}\n",
		"prod.yml":                    "services: {pg: {ports: [\"127.0.0.1:5444:5432\"]}}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for sep, env := range map[string]map[string]string{
		":": {"COMPOSE_FILE": "deploy/base.yml:prod.yml"},
		"|": {"COMPOSE_FILE": "deploy/base.yml|" + filepath.Join(dir, "prod.yml"), "COMPOSE_PATH_SEPARATOR": "|"},
	} {
		f, err := Read(context.Background(), dir, env)
		if err != nil {
			t.Fatal(sep, err)
		}
		if f.Postgres == nil || f.Postgres.Service != "pg" || f.Postgres.Port != 5444 || f.Postgres.DataDir != filepath.Join(dir, "pg") {
			t.Errorf("%s: %+v", sep, f.Postgres)
		}
		if want := filepath.Join(dir, "deploy"); f.Dir != want {
			t.Errorf("%s: directory %s, want %s", sep, f.Dir, want)
		}
		// docker compose itself, in the directory where COMPOSE_FILE is set.
		asked := *f
		asked.Dir = dir
		oracle(t, &asked, env)
	}
	_, err = Read(context.Background(), dir, map[string]string{"COMPOSE_FILE": "deploy/base.yml:gone.yml"})
	if err == nil || !strings.Contains(err.Error(), "COMPOSE_FILE names") || !strings.Contains(err.Error(), "gone.yml") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(context.Background(), dir, nil); err == nil || !strings.Contains(err.Error(), "no compose file in "+dir) {
		t.Errorf("%v", err)
	}
	path := filepath.Join(dir, "stack.yml")
	if err := os.WriteFile(path, []byte("services:\n  db:\n    image: ${IMAGE:?name it}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(context.Background(), path, nil); err == nil || !strings.Contains(err.Error(), "name it") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if f, err := Read(context.Background(), path, map[string]string{"IMAGE": "postgres:15"}); err != nil || f.Postgres == nil || f.Odoo != nil {
		t.Errorf("%+v %v", f, err)
	}
}
