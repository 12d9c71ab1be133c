//go:build kubernetes

package kubernetes_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// apiServer is Kubernetes without nodes: etcd and a kube-apiserver on the
// loopback interface.
type apiServer struct {
	url, token, dir string
	// serviceKey signs the tokens of service accounts.
	serviceKey string
	daemon     *daemon
	client     *http.Client
	// paths of kinds: "apps/v1 Deployment" → "/apis/apps/v1/namespaces/%s/deployments".
	paths map[string]string
}

// startAPIServer starts both in dir and waits until they are ready.
func startAPIServer(t *testing.T, dir string) *apiServer {
	t.Helper()
	secret := make([]byte, 16)
	rand.Read(secret)
	a := &apiServer{token: hex.EncodeToString(secret), dir: dir, serviceKey: filepath.Join(dir, "service.key"), paths: map[string]string{}}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	write(t, a.serviceKey, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	tokens := write(t, filepath.Join(dir, "tokens.csv"), a.token+`,admin,admin,"system:masters"`+"\n")
	certs := filepath.Join(dir, "certs")

	client, _ := loopback(t)
	peer, _ := loopback(t)
	etcd := start(t, dir, program(t, "etcd"), "--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer)
	addr, port := loopback(t)
	a.url = "https://" + addr
	a.daemon = start(t, dir, program(t, "kube-apiserver"), "--etcd-servers", "http://"+client,
		"--bind-address", "127.0.0.1", "--secure-port", port, "--advertise-address", "127.0.0.1",
		// An address of the loopback interface is none for an Endpoints object.
		"--endpoint-reconciler-type", "none",
		"--cert-dir", certs, "--token-auth-file", tokens, "--authorization-mode", "RBAC", "--profiling=false",
		"--service-account-key-file", a.serviceKey, "--service-account-signing-key-file", a.serviceKey, "--service-account-issuer", "https://odpm.test",
		"--service-cluster-ip-range", "10.251.0.0/24", "--kubelet-preferred-address-types", "Hostname")
	until(t, "kube-apiserver is ready", func() (bool, string) {
		if a.client == nil {
			// It has made a certificate for itself.
			data, err := os.ReadFile(a.certificate())
			roots := x509.NewCertPool()
			if err != nil || !roots.AppendCertsFromPEM(data) {
				return false, "no certificate"
			}
			a.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		}
		r, err := a.send("GET", "/readyz", "", nil)
		if err != nil {
			return false, err.Error()
		}
		return r.code == 200, string(r.body)
	}, etcd, a.daemon)
	return a
}

// certificate is what its clients trust.
func (a *apiServer) certificate() string { return filepath.Join(a.dir, "certs", "apiserver.crt") }

// response is what the server says to a request.
type response struct {
	code int
	body []byte
	// warnings are of the header of that name: what it takes and thinks wrong.
	warnings []string
}

func (r response) String() string {
	var status struct{ Message string }
	if json.Unmarshal(r.body, &status); status.Message != "" {
		return fmt.Sprintf("%d %s %q", r.code, status.Message, r.warnings)
	}
	return fmt.Sprintf("%d %q", r.code, r.warnings)
}

func (a *apiServer) send(method, path, contentType string, body []byte) (response, error) {
	req, err := http.NewRequest(method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	answer, err := a.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	return response{answer.StatusCode, data, answer.Header.Values("Warning")}, err
}

// object is a document as odpm wrote it, and the namespace that it goes to.
type object struct {
	at, text         string
	namespace        string
	Kind, APIVersion string
	Metadata         struct{ Name, Namespace string }
}

// documents are those of one rendering; namespace is for those that name none.
func documents(t *testing.T, at, namespace, text string) (all []object) {
	t.Helper()
	for _, part := range strings.Split(text, "\n---\n")[1:] {
		o := object{text: part}
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name, Namespace string }
		}
		must(t, yaml.Unmarshal([]byte(part), &head))
		o.APIVersion, o.Kind, o.Metadata = head.APIVersion, head.Kind, head.Metadata
		o.namespace = cmp.Or(o.Metadata.Namespace, namespace)
		o.at = at + ": " + o.Kind + " " + o.Metadata.Name
		all = append(all, o)
	}
	if len(all) == 0 {
		t.Fatalf("%s: nothing is rendered:\n%s", at, text)
	}
	return all
}

// path is that of the object's kind in its namespace, as the server says it.
func (a *apiServer) path(t *testing.T, o object) string {
	t.Helper()
	kind := o.APIVersion + " " + o.Kind
	if a.paths[kind] == "" {
		base := "/apis/" + o.APIVersion
		if !strings.Contains(o.APIVersion, "/") {
			base = "/api/" + o.APIVersion
		}
		r, err := a.send("GET", base, "", nil)
		must(t, err)
		var known struct {
			Resources []struct{ Name, Kind string }
		}
		must(t, json.Unmarshal(r.body, &known))
		for _, k := range known.Resources {
			if k.Kind == o.Kind && !strings.Contains(k.Name, "/") {
				a.paths[kind] = base + "/namespaces/%s/" + k.Name
			}
		}
		if a.paths[kind] == "" {
			t.Fatalf("%s: the server knows no %s", o.at, kind)
		}
	}
	return fmt.Sprintf(a.paths[kind], o.namespace)
}

const strict = "fieldValidation=Strict"

// create is kubectl create; query is strict, with dryRun=All before.
func (a *apiServer) create(t *testing.T, o object, query string) response {
	t.Helper()
	r, err := a.send("POST", a.path(t, o)+"?"+query, "application/yaml", []byte(o.text))
	must(t, err)
	return r
}

// apply is kubectl apply --server-side.
func (a *apiServer) apply(t *testing.T, o object, query string) response {
	t.Helper()
	r, err := a.send("PATCH", a.path(t, o)+"/"+o.Metadata.Name+"?fieldManager=test&"+query, "application/apply-patch+yaml", []byte(o.text))
	must(t, err)
	return r
}

// get reads an object into to.
func (a *apiServer) get(t *testing.T, o object, to any) {
	t.Helper()
	r, err := a.send("GET", a.path(t, o)+"/"+o.Metadata.Name, "", nil)
	must(t, err)
	if r.code != 200 {
		t.Fatalf("%s: %s", o.at, r)
	}
	must(t, json.Unmarshal(r.body, to))
}

// namespace makes one that takes no pod which the profile "baseline" of Pod
// Security Standards forbids, and warns about Deployments and Jobs of such pods.
func (a *apiServer) namespace(t *testing.T, name string) {
	t.Helper()
	r, err := a.send("POST", "/api/v1/namespaces", "application/json", []byte(`{"metadata": {"name": "`+name+`", "labels": {
		"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "baseline"}}}`))
	must(t, err)
	if r.code != 201 {
		t.Fatalf("namespace %s: %s", name, r)
	}
}
