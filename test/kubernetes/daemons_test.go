//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is Kubernetes with one node, this machine: an API server, the
// controllers, the scheduler, a kubelet, and a containerd of its own. The
// engine of the tests gives it images, and is otherwise left alone.
type node struct {
	*apiServer
	bridge bridge
	// bin has kubectl and odpm; socket is containerd's.
	bin, socket, kubeconfig string
	needs                   []*daemon
}

// startNode starts everything in dir. images are the engine's, pause is the one
// that holds a pod's namespaces.
func startNode(t *testing.T, dir, bin, pause string, images ...string) *node {
	t.Helper()
	must(t, os.Symlink(program(t, "kubectl"), filepath.Join(bin, "kubectl")))
	n := &node{bridge: newBridge(t), bin: bin, socket: filepath.Join(dir, "containerd.sock")}
	n.startContainerd(t, dir, pause)
	n.load(t, append(images, pause))
	n.apiServer = startAPIServer(t, dir)
	n.needs = append(n.needs, n.daemon)
	n.kubeconfig = write(t, filepath.Join(dir, "kubeconfig"), fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": [{"name": "test", "cluster": {"server": %q, "certificate-authority": %q}}],
		"users": [{"name": "admin", "user": {"token": %q}}],
		"contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}`, n.url, n.certificate(), n.token))
	_, port := loopback(t)
	controllers := start(t, dir, program(t, "kube-controller-manager"), "--kubeconfig", n.kubeconfig, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--service-account-private-key-file", n.serviceKey, "--leader-elect=false")
	_, port = loopback(t)
	scheduler := start(t, dir, program(t, "kube-scheduler"), "--kubeconfig", n.kubeconfig, "--bind-address", "127.0.0.1", "--secure-port", port, "--leader-elect=false")
	kubelet := n.startKubelet(t, dir)
	n.needs = append(n.needs, controllers, scheduler, kubelet)
	until(t, "the node is ready", func() (bool, string) {
		out, err := n.kubectl("get", "node", nodeName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")]}`)
		return err == nil && strings.Contains(out, `"status":"True"`), out
	}, n.needs...)
	return n
}

const containerdConf = `version = 2
root = %q
state = %q
# They would make /opt/containerd, or ask for file systems that are not here.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/%s"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`

func (n *node) startContainerd(t *testing.T, dir, pause string) {
	t.Helper()
	plugins := "/usr/lib/cni"
	if _, err := os.Stat(plugins); err != nil {
		plugins = "/opt/cni/bin"
	}
	network := filepath.Join(dir, "cni")
	must(t, os.Mkdir(network, 0o755))
	write(t, filepath.Join(network, "10-test.conflist"), fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "bridge", "bridge": %q,
		"ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": %q, "rangeStart": %q, "rangeEnd": %q}]]}}]}`,
		n.bridge.name, filepath.Join(dir, "addresses"), n.bridge.subnet, n.bridge.pods, n.bridge.podsEnd))
	conf := write(t, filepath.Join(dir, "containerd.toml"), fmt.Sprintf(containerdConf, filepath.Join(dir, "containerd"), filepath.Join(dir, "state"), n.socket, pause, plugins, network))
	path, err := exec.LookPath("containerd")
	must(t, err)
	d := start(t, dir, path, "--config", conf, "--log-level", "warn")
	n.needs = append(n.needs, d)
	until(t, "containerd answers", func() (bool, string) {
		out, err := exec.Command("ctr", "-a", n.socket, "version").CombinedOutput()
		return err == nil, string(out)
	}, d)
	t.Cleanup(func() { n.removeContainers(t) })
}

// load gives it images of the engine.
func (n *node) load(t *testing.T, images []string) {
	t.Helper()
	save := exec.Command("docker", append([]string{"save"}, images...)...)
	load := exec.Command("ctr", "-a", n.socket, "-n", "k8s.io", "images", "import", "-")
	pipe, err := save.StdoutPipe()
	must(t, err)
	var saved, loaded strings.Builder
	load.Stdin, save.Stderr, load.Stdout, load.Stderr = pipe, &saved, &loaded, &loaded
	must(t, save.Start())
	loading := load.Run()
	if err := save.Wait(); err != nil || loading != nil {
		t.Fatalf("docker save %s | ctr images import: %v %s; %v %s", strings.Join(images, " "), err, &saved, loading, &loaded)
	}
}

// removeContainers removes what the kubelet has not: it may be what failed.
func (n *node) removeContainers(t *testing.T) {
	for _, id := range n.containers() {
		t.Errorf("left: container %s", id)
		n.ctr("tasks", "rm", "--force", id)
		n.ctr("containers", "rm", id)
	}
}

func (n *node) containers() []string { return n.ctr("containers", "list", "-q") }

func (n *node) ctr(args ...string) []string {
	out, _ := exec.Command("ctr", append([]string{"-a", n.socket, "-n", "k8s.io"}, args...)...).Output()
	return strings.Fields(string(out))
}

// nodeName is a name that leads to where the kubelet listens, for kubectl logs.
const nodeName = "localhost"

func (n *node) startKubelet(t *testing.T, dir string) *daemon {
	t.Helper()
	_, port := loopback(t)
	conf := write(t, filepath.Join(dir, "kubelet.yaml"), fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: %s
healthzPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://%s
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
podLogsDir: %s
volumePluginDir: %s
resolvConf: ""
# A disk that is nearly full is none of this test's business.
evictionHard: {memory.available: 50Mi}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
`, port, n.socket, filepath.Join(dir, "podlogs"), filepath.Join(dir, "plugins")))
	top := filepath.Join(dir, "kubelet")
	kubelet := start(t, dir, program(t, "kubelet"), "--config", conf, "--kubeconfig", n.kubeconfig, "--hostname-override", nodeName, "--node-ip", n.bridge.first,
		"--root-dir", top, "--cert-dir", filepath.Join(dir, "kubelet-certs"))
	t.Cleanup(func() {
		// While it runs, it ends the pods and gives back their networks.
		if out, err := n.kubectl("delete", "deployments,jobs,pods", "--all", "--all-namespaces", "--grace-period=0", "--force", "--timeout=2m"); err != nil {
			t.Logf("%v %s", err, out)
		}
		for end := time.Now().Add(time.Minute); len(n.containers()) > 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		}
		kubelet.stop()
		// It binds its directory over itself, for pods that mount into it.
		syscall.Unmount(top, syscall.MNT_DETACH)
	})
	return kubelet
}

// kubectl gives what it writes, without the newline at its end.
func (n *node) kubectl(args ...string) (string, error) {
	return n.sh("", `kubectl "$@"`, args...)
}

// sh runs a script in a directory with kubectl and odpm on its path.
func (n *node) sh(dir, script string, args ...string) (string, error) {
	cmd := exec.Command("bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+n.bin+":"+os.Getenv("PATH"), "KUBECONFIG="+n.kubeconfig, "HOME="+n.dir)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
