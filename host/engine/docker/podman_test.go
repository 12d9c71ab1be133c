package docker_test

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// TestPodmanNamesRegistries: Podman 4.3 names the registry of an image that was
// built here, too. Such an image is found again, or it would be built in every run
// and no plan would ever be without changes.
func TestPodmanNamesRegistries(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/images/json"):
			io.WriteString(w, `[{"Id": "sha256:1837", "RepoTags": ["docker.io/odpm/acme-odoo:abc"], "Labels": {"io.buildah.version": "1.28.2", "io.github.odpm.base": "sha256:aa"}},
				{"Id": "sha256:1838", "RepoTags": ["localhost/odpm/acme-odoo:def", "quay.io/odpm/acme-odoo:x"], "Labels": {"io.github.odpm.base": "sha256:aa"}}]`)
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			io.WriteString(w, "[]")
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	list, err := docker.New(docker.Options{Project: "acme"}).Built(limit(t), "odpm/acme-odoo")
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, b := range list {
		refs = append(refs, b.Ref+" of "+b.Base)
	}
	if got := strings.Join(refs, ", "); got != "odpm/acme-odoo:abc of sha256:aa, odpm/acme-odoo:def of sha256:aa" {
		t.Errorf("found: %s", got)
	}
}
