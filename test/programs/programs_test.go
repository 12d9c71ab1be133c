package programs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The linker leaves out every method that nothing calls, unless something calls
// methods by names that it does not know: text/template does, and made odpm an
// eighth larger when cobra's help templates brought it in.
func TestNoMethodsByName(t *testing.T) {
	Tested(t)
	dir := t.TempDir()
	if err := Build(dir, nil, ODPM, Checker); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{ODPM, Checker} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(program)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("text/template.(*state).evalField")) {
			t.Errorf("%s has text/template in it; go build -ldflags=-dumpdep %s shows who calls it", filepath.Base(program), program)
		}
	}
}
