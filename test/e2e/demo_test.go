package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/test/programs"
)

// TestDemo runs make demo's script with the programs as built. The script goes
// on whatever they say, so what a newcomer sees is looked at here, in its order.
func TestDemo(t *testing.T) {
	programs.Tested(t)
	script, err := os.ReadFile("../demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, "test"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "test", "demo.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bin, filepath.Join(top, "bin")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(top, "test", "demo.sh"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{
		"$ odpm plan", "First run:", "Nothing was written or started.",
		"$ odpm\n", "adopted: PostgreSQL", "recorded in .odpm/database/last_run.json",
		"$ odpm database status", "Login       works",
		"service_name", "recorded in .odpm/database/last_run.json",
		"$ odpm plan", "data_path", "(exit code 3)",
		"$ odpm --accept-database-drift=data_path", "recorded in .odpm/database/last_run.json",
		"$ odpm plan", "No changes.",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is not in its place:\n%s", want, out)
		}
		rest = after
	}
	if n := strings.Count(string(out), "(exit code"); n != 1 {
		t.Errorf("%d commands failed, want the refusal alone:\n%s", n, out)
	}
}
