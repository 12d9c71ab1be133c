// Package kubernetes_test gives what odpm renders to Kubernetes itself: an API
// server (make test-kubernetes-api), and a node that runs it (make
// test-kubernetes). Both take minutes to build, so that make test compares what
// is rendered with what that API server has taken.
package kubernetes_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/test/programs"
)

// acceptedFile has a line for everything that the API server has taken.
const acceptedFile = "testdata/accepted.txt"

// TestAccepted: an API server has taken everything that odpm renders.
func TestAccepted(t *testing.T) {
	accepted, err := os.ReadFile(acceptedFile)
	must(t, err)
	if diff := cmp.Diff(strings.Split(string(accepted), "\n"), strings.Split(receipt(rendered(t)), "\n")); diff != "" {
		t.Errorf("what odpm renders is not what an API server has taken; run: make test-kubernetes-api (-taken +rendered):\n%s", diff)
	}
}

// ofDirectory is what depends on where a project lies: its identifier, its data
// directory, and the hash of a configuration that has both.
var ofDirectory = regexp.MustCompile(`"?\b[0-9a-f]{32}\b"?|"data_path_abs": ".*?"|odpm.org/config: .*`)

// receipt is a line for each rendering: its SHA-256, and what it is of.
func receipt(all []rendering) string {
	var b strings.Builder
	b.WriteString("# Written by make test-kubernetes-api, of what the API server took: SHA-256 and what was rendered.\n")
	for _, r := range all {
		fmt.Fprintf(&b, "%x  namespace %s: %s\n", sha256.Sum256(ofDirectory.ReplaceAll([]byte(r.text), nil)), r.namespace, r.at)
	}
	return b.String()
}

// rendering is one file of objects. namespace is kubectl's, where the text names none.
// What has the same is one project: a Job mounts what stands beside its Deployment.
type rendering struct{ namespace, at, text string }

// rendered is what package render's tests compare with, and what the program
// writes with all of its flags.
func rendered(t *testing.T) (all []rendering) {
	t.Helper()
	files, err := filepath.Glob("../../host/render/testdata/*.yaml")
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		all = append(all, rendering{"shop", filepath.Base(file), string(text)})
	}
	bin := t.TempDir()
	must(t, programs.Build(bin, nil, programs.ODPM))
	external := project(t, "ODPM_POSTGRES=external\nODPM_SCENARIO=server\n",
		"[options]\ndb_host = pg-0,pg-1\ndb_user = odoo\ndb_password = s3cret\ndb_sslmode = verify-full\nworkers = 2\nadmin_passwd = s3cret\n")
	everything := []string{"--namespace", "all", "--secret", "pg-app", "--ca-secret", "pg-ca", "--replicas", "25", "--image", "registry.example/odoo-odpm:18.0",
		"--checker-image", "registry.example/odpm-checker:1", "--storage", "20Gi", "--network-policy"}
	// A Service's name begins with a letter, and a Job's has 63 characters at most.
	digit := project(t, "ODOO_SERVICE_NAME=2024_Shop.odoo\n", "[options]\n")
	long := project(t, "ODOO_SERVICE_NAME="+strings.Repeat("shop-", 12)+"odo\n", "[options]\n")
	inCompose := project(t, "", "[options]\nhttp_port = 8080\ngevent_port = 8081\n")
	for _, r := range []struct {
		namespace, dir string
		args           []string
	}{
		{"plain", external, nil},
		{"plain", external, []string{"--database", "prod", "--init", "base", "--update", "all"}},
		{"all", external, everything},
		{"all", external, append(slices.Clone(everything), "--database", "prod", "--init", "base,sale")},
		{"compose", inCompose, []string{"--replicas", "2", "--network-policy"}},
		{"compose-checker", inCompose, []string{"--checker-image", "registry.example/odpm-checker:1"}},
		{"old", project(t, "ODOO_IMAGE=odoo:14.0\n", "[options]\n"), nil},
		// Another operator's names of Secrets are DNS names.
		{"secret", external, []string{"--secret", "odoo.shop-pg.credentials.postgresql.example", "--ca-secret", "ca.example"}},
		{"digit", digit, nil},
		{"digit", digit, []string{"--database", "prod", "--init", "base"}},
		{"long", long, nil},
		{"long", long, []string{"--database", "prod", "--init", "base"}},
	} {
		cmd := exec.Command(filepath.Join(bin, "odpm"), append([]string{"render", "kubernetes"}, r.args...)...)
		cmd.Dir = r.dir
		var errs strings.Builder
		cmd.Stderr = &errs
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", r.args, err, &errs)
		}
		all = append(all, rendering{r.namespace, "odpm render kubernetes " + strings.Join(r.args, " "), string(text)})
	}
	return all
}

// project is one in a directory whose name is always the same: it is the project's.
func project(t *testing.T, env, conf string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, ".env"), env)
	write(t, filepath.Join(dir, "odpm.json"), `{"odoo_version": "18.0", "postgres_version": "17"}`)
	write(t, filepath.Join(dir, "odoo.conf"), conf)
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
