package main_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The checker stays small: these are all the modules that it may need, each
// with why. docs/dependencies.md names them too.
var allowedModules = []string{
	"github.com/cenkalti/backoff/v4",       // the pace of waiting
	"github.com/jackc/pgpassfile",          // the password file, of pgconn and ours
	"github.com/jackc/pgservicefile",       // of pgconn
	"github.com/jackc/pgx/v5",              // pgconn: PostgreSQL's protocol
	"github.com/kelseyhightower/envconfig", // ODPM_*
	"github.com/lmittmann/tint",            // the log on a terminal
	"github.com/odpm/odpm",
	"github.com/xdg-go/stringprep", // SASLprep, as libpq prepares a password for SCRAM
	"golang.org/x/sys",             // one system call that asks a port
	"golang.org/x/term",            // whether the log goes to a terminal
	"golang.org/x/text",            // normalisation of passwords, of pgconn and ours
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	slices.Sort(lines)
	return slices.Compact(lines)
}

func TestDependencies(t *testing.T) {
	modules := goList(t, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	if !slices.Equal(modules, allowedModules) {
		t.Errorf("modules of the binary:\n%s\nallowed:\n%s", strings.Join(modules, "\n"), strings.Join(allowedModules, "\n"))
	}
	for _, pkg := range goList(t, "-deps", ".") {
		switch {
		case strings.HasPrefix(pkg, "github.com/odpm/odpm/host"), strings.HasPrefix(pkg, "github.com/odpm/odpm/test"):
			t.Errorf("the checker imports %s", pkg)
		case pkg == "testing", pkg == "net/http":
			t.Errorf("the checker imports %s, which is of no use to it and large", pkg)
		case strings.HasPrefix(pkg, "github.com/jackc/pgx/v5/") && strings.HasSuffix(pkg, "/pgxpool"):
			t.Errorf("the checker needs pgconn alone, not %s", pkg)
		}
	}
	for _, pkg := range goList(t, "-deps", "github.com/odpm/odpm/shared/...") {
		if strings.HasPrefix(pkg, "github.com/odpm/odpm/host") || strings.HasPrefix(pkg, "github.com/odpm/odpm/checker") {
			t.Errorf("shared/ imports %s", pkg)
		}
	}
}

// TestDirectImports: what checker/ itself names, tests aside.
func TestDirectImports(t *testing.T) {
	allowed := map[string]bool{
		"github.com/kelseyhightower/envconfig": true, "github.com/lmittmann/tint": true, "golang.org/x/term": true,
	}
	for _, pkg := range goList(t, "-f", `{{join .Imports "\n"}}`, "github.com/odpm/odpm/checker/...") {
		outside := strings.Contains(strings.Split(pkg, "/")[0], ".")
		ours := strings.HasPrefix(pkg, "github.com/odpm/odpm/shared/") || strings.HasPrefix(pkg, "github.com/odpm/odpm/checker")
		if outside && !ours && !allowed[pkg] {
			t.Errorf("checker/ imports %s", filepath.ToSlash(pkg))
		}
	}
}
