package setup

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/yamlnode"
)

var update = flag.Bool("update", false, "write the matrix of shapes anew")

const matrixFile = "../../docs/how-to/taking-over.md"

// TestShapes takes every shape over, up to the point where a person would be
// asked, and holds the table of docs/how-to/taking-over.md to it.
func TestShapes(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/shapes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	root := t.TempDir()
	for _, f := range archive.Files {
		name, _, _ := strings.Cut(f.Name, "/")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var b strings.Builder
	b.WriteString("| shape | `odpm adopt` | `odpm adopt --keep` |\n|---|---|---|\n")
	for _, name := range names {
		// The engine knows no project of that name.
		dir := filepath.Join(root, name)
		home := t.TempDir()
		o := apply.Options{Options: look.Options{Dir: dir, Environ: []string{"COMPOSE_PROJECT_NAME=shape"}, Home: home}, Term: ui.New(null, null, null, ui.Options{NoInput: true})}
		f, _, err := readForeign(t.Context(), o, filepath.Join(dir, "docker-compose.yml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Doc.Volumes {
			// A volume that was never made has nothing to copy.
			docker(t, "volume", "create", v.Name)
			t.Cleanup(func() { docker(t, "volume", "rm", "-f", v.Name) })
		}
		cell := func(keep bool) string {
			return outcome(t, o, Adoption{File: "docker-compose.yml", Keep: keep, Yes: true})
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, cell(false), cell(true))
	}
	doc, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- shapes: made by go test ./host/setup -run TestShapes -args -update -->\n", "<!-- end of shapes -->"
	before, rest, ok := strings.Cut(string(doc), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the matrix", matrixFile)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(matrixFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Errorf("%s is not what happens; go test ./host/setup -run TestShapes -args -update, and read the change. Now:\n%s", matrixFile, b.String())
	}
}

func docker(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// outcome is one cell.
func outcome(t *testing.T, o apply.Options, a Adoption) string {
	t.Helper()
	do, _, err := takeover(t.Context(), o, a)
	var refused *ui.Refusal
	switch {
	case errors.As(err, &refused):
		ways := []string{}
		for _, w := range refused.Ways {
			// The command alone, without what it does.
			command, _, _ := strings.Cut(w, "        ")
			ways = append(ways, "`"+command+"`")
		}
		return "asks: " + strings.Join(ways, " or ")
	case err != nil:
		t.Fatal(err)
	}
	var said []string
	for _, f := range do.Files {
		base := filepath.Base(f.Path)
		if base == ".env" {
			for _, key := range []string{"POSTGRES_DATA_DIR", "ODOO_DATA_DIR", "ODOO_FILESTORE_DIR", "ODPM_POSTGRES"} {
				for line := range strings.Lines(string(f.New)) {
					if strings.HasPrefix(line, key+"=") {
						said = append(said, "`"+strings.TrimSpace(line)+"`")
					}
				}
			}
			continue
		}
		if base == "docker-compose.override.yml" {
			said = append(said, "an override: "+strings.Join(sections(t, string(f.New)), ", "))
		}
	}
	for _, c := range do.Copies {
		to, err := filepath.Rel(o.Dir, c.To)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, "copies volume `"+c.Volume+c.From+"` to `"+to+"`")
	}
	if a.Keep {
		said = append(said, "the file stays; the checker is in front of "+strings.Join(inFront(t, o), ", "))
	}
	if len(said) == 0 {
		return "settings alone"
	}
	return strings.Join(said, "; ")
}

// sections are the service keys in an override: "odoo.volumes".
func sections(t *testing.T, text string) []string {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	services := yamlnode.Get(doc.Content[0], "services")
	for i := 0; i+1 < len(services.Content); i += 2 {
		keys := services.Content[i+1].Content
		for j := 0; j+1 < len(keys); j += 2 {
			out = append(out, "`"+services.Content[i].Value+"."+keys[j].Value+"`")
		}
	}
	return out
}

// inFront are the services that the overlay is for.
func inFront(t *testing.T, o apply.Options) []string {
	t.Helper()
	f, _, err := readForeign(t.Context(), o, filepath.Join(o.Dir, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range f.OdooServices() {
		out = append(out, "`"+s+"`")
	}
	return out
}
