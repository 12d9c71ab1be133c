//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

// image makes one of the engine's, whose context is bin.
func image(t *testing.T, bin, name, dockerfile string) string {
	t.Helper()
	image := fmt.Sprintf("odpm-node-%s:%d", name, os.Getpid())
	build := exec.Command("docker", "build", "--quiet", "--force-rm", "-t", image, "-f", "-", bin)
	build.Stdin, build.Env = strings.NewReader(dockerfile), append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s\n(run: make setup)", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "--force", image).Run() })
	return image
}

// prepare makes what a person has in the cluster before: the namespace, the
// Secret, and a volume that all pods of this one node can write.
func (n *node) prepare(t *testing.T, files string) {
	t.Helper()
	n.namespace(t, "shop")
	if out, err := n.kubectl("-n", "shop", "create", "secret", "generic", "pg-app", "--type=kubernetes.io/basic-auth",
		"--from-literal=username=odoo", "--from-literal=password="+password); err != nil {
		t.Fatal(out)
	}
	must(t, os.Mkdir(files, 0o755))
	r, err := n.send("POST", "/api/v1/persistentvolumes?"+strict, "application/json", fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "files"},
		"spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteMany"], "local": {"path": %q}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
		{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [%q]}]}]}}}}`, files, nodeName))
	must(t, err)
	if r.code != 201 {
		t.Fatal(r)
	}
}

// psql asks the server that was the standby, as Odoo's role.
func (n *node) psql(c *localpg.Cluster, database, statement string) (string, error) {
	psql, err := localpg.Client("psql", 15)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", n.bridge.second, "-p", strconv.Itoa(c.Port), "-U", "odoo", "-d", database, "-c", statement)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (n *node) sql(t *testing.T, c *localpg.Cluster, database, statement string) string {
	t.Helper()
	out, err := n.psql(c, database, statement)
	if err != nil {
		t.Fatalf("%s: %v %s", statement, err, out)
	}
	return out
}

// logins counts what the server's log has of Odoo's role.
func logins(t *testing.T, c *localpg.Cluster) int {
	t.Helper()
	log, err := os.ReadFile(c.LogFile())
	must(t, err)
	return strings.Count(string(log), "connection authorized: user=odoo")
}

// proven reads what each init container proved, which none of them did twice.
func (n *node) proven(t *testing.T, c *localpg.Cluster) {
	t.Helper()
	out, err := n.kubectl("-n", "shop", "get", "pod", "-l", "app.kubernetes.io/component=web", "-o",
		`jsonpath={range .items[*]}{.status.initContainerStatuses[0].restartCount} {.status.initContainerStatuses[0].state.terminated.message}{"\n"}{end}`)
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	identifier := n.sql(t, c, "postgres", "SELECT system_identifier FROM pg_control_system()")
	messages := 0
	for line := range strings.Lines(out) {
		restarts, message, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		messages++
		p, err := snapshot.DecodeProven(strings.NewReader(message))
		if err != nil {
			t.Errorf("%v: %s", err, message)
			continue
		}
		if want := n.bridge.second + ":" + strconv.Itoa(c.Port); restarts != "0" || p.Endpoint != want || p.Server != snapshot.ServerPrimary || p.SystemIdentifier != identifier || p.AppRole != "odoo" {
			t.Errorf("%s restarts, %+v, want %s and %s", restarts, *p, want, identifier)
		}
	}
	if messages != replicas {
		t.Errorf("%d of %d have a message:\n%s", messages, replicas, out)
	}
}

// seen is the state of the cluster, for a test that fails.
func (n *node) seen() string {
	pods, _ := n.kubectl("-n", "shop", "get", "pods,pvc,jobs", "-o", "wide")
	events, _ := n.kubectl("-n", "shop", "get", "events", "--field-selector", "type=Warning")
	lines := strings.Split(events, "\n")
	logs, _ := n.kubectl("-n", "shop", "logs", "-l", "app.kubernetes.io/managed-by!=nobody", "--all-containers", "--tail=3", "--ignore-errors", "--max-log-requests=100")
	return pods + "\n" + strings.Join(lines[max(0, len(lines)-10):], "\n") + "\n" + logs
}

// page gives the commands of docs/how-to/kubernetes.md for a cluster: to apply,
// to update modules, to compare.
func page(t *testing.T) (apply, update, drift string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/how-to/kubernetes.md")
	must(t, err)
	blocks := regexp.MustCompile("(?s)<!-- parsed: kubernetes -->\n```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("the page has %d blocks of commands for a cluster", len(blocks))
	}
	return blocks[0][1], blocks[1][1], blocks[2][1]
}

// commands are those that a rendered Job has in its first lines.
func commands(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "#   "); ok {
			all = append(all, strings.TrimSpace(command))
		}
	}
	if len(all) < 5 {
		t.Fatalf("%s", text)
	}
	return all
}
