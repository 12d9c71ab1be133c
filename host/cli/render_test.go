package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// externalProject is one whose PostgreSQL somebody else runs, and nobody here.
func externalProject(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		".env":      "ODPM_POSTGRES=external\nODPM_SCENARIO=server\n",
		"odpm.json": `{"odoo_version": "18.0", "postgres_version": "17", "platform_name": "odoo"}`,
		"odoo.conf": "[options]\ndb_host = 127.0.0.1\ndb_port = 1\ndb_user = odoo\ndb_password = s3cret-pw-1\ndb_sslmode = require\nadmin_passwd = s3cret-pw-2\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run is one invocation with files for its streams.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	open := func(name, text string) *os.File {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	in, out, errs := open("in", stdin), open("out", ""), open("err", "")
	t.Setenv("HOME", t.TempDir())
	a := New(in, out, errs, args, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, make(chan struct{}))
	err = errors.Join(a.Run(t.Context()), a.Close())
	for _, f := range []struct {
		of *os.File
		to *string
	}{{out, &stdout}, {errs, &stderr}} {
		data, rerr := os.ReadFile(f.of.Name())
		if rerr != nil {
			t.Fatal(rerr)
		}
		*f.to = string(data)
	}
	return stdout, stderr, err
}

// TestRenderKubernetes: YAML alone on stdout, and no secret anywhere.
func TestRenderKubernetes(t *testing.T) {
	dir := externalProject(t)
	out, errs, err := run(t, "", "-C", dir, "render", "kubernetes", "--namespace", "shop", "--secret", "pg-app")
	if err != nil {
		t.Fatal(err, errs)
	}
	if !strings.HasPrefix(out, "# Written by: odpm render kubernetes") || !strings.Contains(out, "kind: Deployment") || !strings.Contains(out, "name: pg-app") || !strings.Contains(out, "image: \"odoo:18.0\"") {
		t.Errorf("%s", out)
	}
	if strings.Contains(out+errs, "s3cret") || !strings.Contains(errs, "admin_passwd") {
		t.Errorf("%s", errs)
	}
	again, _, _ := run(t, "", "-C", dir, "render", "kubernetes", "--namespace", "shop", "--secret", "pg-app")
	if again != out {
		t.Error("another text")
	}
	var usage *ui.Usage
	if _, _, err := run(t, "", "-C", dir, "render", "kubernetes", "--replicas", "0"); !errors.As(err, &usage) {
		t.Errorf("%v", err)
	}
	if _, _, err := run(t, "", "-C", dir, "render"); !errors.As(err, &usage) {
		t.Errorf("%v", err)
	}
}

// TestPlanBaseline compares what was proven elsewhere with the project.
func TestPlanBaseline(t *testing.T) {
	dir := externalProject(t)
	proven := snapshot.Proven{Version: 1, ProvenAt: "2026-06-17T20:00:00+00:00", AppRole: "odoo", PGMajor: 17, SystemIdentifier: "7388127361231231123",
		Endpoint: "127.0.0.1:1", Server: snapshot.ServerPrimary, TLS: true}
	text := func(change func(*snapshot.Proven)) string {
		p := proven
		if change != nil {
			change(&p)
		}
		data, err := snapshot.EncodeProven(&p)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	plan := func(stdin string, more ...string) (string, error) {
		out, errs, err := run(t, stdin, append([]string{"-C", dir, "plan", "--plan-no-docker", "--baseline", "-"}, more...)...)
		if strings.Contains(out+errs, "s3cret") {
			t.Errorf("%s%s", out, errs)
		}
		return out, err
	}
	out, err := plan(text(nil))
	if err != nil || !strings.Contains(out, "same     endpoint") || !strings.Contains(out, "same     tls") || strings.Contains(out, "differs") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = plan(text(func(p *snapshot.Proven) {
		p.AppRole, p.Endpoint, p.Server, p.TLS, p.Pooler = "other", "pg-rw:5432", snapshot.ServerStandby, false, true
	}), "--plan-strict")
	for _, want := range []string{"differs  app_role           other, here odoo", "differs  endpoint           pg-rw:5432, here 127.0.0.1:1", "differs  server             standby, here primary", "differs  tls", "unknown  pooler             true"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if !errors.Is(err, Outcome(1)) {
		t.Errorf("%v", err)
	}
	out, err = plan(text(nil), "--plan-format", "json")
	if err != nil || !strings.Contains(out, `"baseline": {`) || !strings.Contains(out, `"member": "app_role"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := plan(`{"proven_version":2,"pg_major":17}`); err == nil || !strings.Contains(err.Error(), "use an odpm that is as new") || strings.Contains(err.Error(), "kubectl") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "not JSON", `{"proven_version":1}`, strings.Repeat(" ", 5000), `{"proven_version":1,"pg_major":17,"server":"primary","proven_at":"2026-06-17T20:00:00+00:00","app_role":"\u001b[31m"}`} {
		if _, err := plan(bad); err == nil || !strings.Contains(err.Error(), "kubectl get pod") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	file := filepath.Join(t.TempDir(), "proven.json")
	if err := os.WriteFile(file, []byte(text(nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(t, "", "-C", dir, "plan", "--plan-no-docker", "--baseline", file); err != nil || !strings.Contains(out, "Baseline, proven 2026-06-17") {
		t.Errorf("%v\n%s", err, out)
	}
}
