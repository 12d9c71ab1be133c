package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// registry serves as much of a registry of images as says what it has, on the
// loopback interface, where Docker takes HTTP; $REGISTRY is its address. It has
// "fits" for this engine's platform, "elsewhere" for another, "private" for who
// has logged in, and nothing else.
func registry(ts *testscript.TestScript, neg bool, args []string) {
	index := func(arch string) string {
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
			`"digest":"sha256:` + strings.Repeat("0", 64) + `","size":2,"platform":{"architecture":"` + arch + `","os":"linux"}}]}`
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		fail := func(status int, code string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":"%s","message":"%s"}]}`, code, strings.ToLower(code))
		}
		text := ""
		switch {
		case r.URL.Path == "/v2/":
			return
		case strings.HasPrefix(r.URL.Path, "/v2/fits/manifests/"):
			text = index("amd64")
		case strings.HasPrefix(r.URL.Path, "/v2/elsewhere/manifests/"):
			text = index("s390x")
		case strings.HasPrefix(r.URL.Path, "/v2/private/"):
			fail(http.StatusUnauthorized, "UNAUTHORIZED")
			return
		default:
			fail(http.StatusNotFound, "MANIFEST_UNKNOWN")
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))))
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		if r.Method != http.MethodHead {
			fmt.Fprint(w, text)
		}
	}))
	ts.Defer(s.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(s.URL, "http://"))
}
