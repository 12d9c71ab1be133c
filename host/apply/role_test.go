package apply

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
)

// What was saved of one cluster's roles stays when another one's are saved in
// the same second.
func TestKeepRolesTwice(t *testing.T) {
	dir := t.TempDir()
	in := &inputs.Inputs{Dirs: state.NewDirs(dir), Project: &project.Project{Dir: dir}}
	s := &Run{View: &look.View{Inputs: in}, Term: ui.New(os.Stdin, os.Stdout, os.Stderr, ui.Options{}), Dirs: in.Dirs, Project: in.Project}
	if err := s.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	want := []string{"1", "2", "3", "4"}
	for _, dump := range want {
		if err := s.keepRoles(t.Context(), []byte(dump)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(s.Dirs.State(), "roles-*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("kept %q in %q", got, files)
	}
}
