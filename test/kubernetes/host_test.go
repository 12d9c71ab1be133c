//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bridge is the pods' network: this machine's servers are reached at two of its
// addresses, and nothing is routed beyond it.
type bridge struct{ name, subnet, first, second, pods, podsEnd string }

// newBridge makes one with addresses that no interface of this machine has.
func newBridge(t *testing.T) bridge {
	t.Helper()
	used, err := net.InterfaceAddrs()
	must(t, err)
	for n := range 100 {
		_, subnet, err := net.ParseCIDR(fmt.Sprintf("10.213.%d.0/24", 100+n))
		must(t, err)
		if slices.ContainsFunc(used, func(a net.Addr) bool { return a.(*net.IPNet).Contains(subnet.IP) || subnet.Contains(a.(*net.IPNet).IP) }) {
			continue
		}
		at := func(host int) string { return fmt.Sprintf("10.213.%d.%d", 100+n, host) }
		b := bridge{name: fmt.Sprintf("odpm%d", os.Getpid()), subnet: subnet.String(), first: at(1), second: at(2), pods: at(10), podsEnd: at(250)}
		t.Cleanup(func() { exec.Command("ip", "link", "del", b.name).Run() })
		run(t, "ip", "link", "add", b.name, "type", "bridge")
		run(t, "ip", "addr", "add", b.first+"/24", "dev", b.name)
		run(t, "ip", "addr", "add", b.second+"/24", "dev", b.name)
		run(t, "ip", "link", "set", b.name, "up")
		return b
	}
	t.Fatal("there is no free network in 10.213.100.0 to 10.213.199.0")
	return bridge{}
}

// run runs a command of this machine and gives what it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What the kubelet, containerd and the plugins of the network make outside of
// the directories that they are given.
var (
	kubeletDirs = []string{"/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/var/lib/cni", "/usr/libexec/kubernetes"}
	kubeletKeys = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward"}
)

const cgroups = "/sys/fs/cgroup"

// possible refuses where the node cannot be made.
func possible(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Fatalf("a node of Kubernetes makes mounts, cgroups and a bridge of this machine: run make test-kubernetes as root on Linux, not as uid %d on %s", os.Getuid(), runtime.GOOS)
	}
	if found := podCgroups(); len(found) > 0 {
		t.Fatalf("this machine has pods of another kubelet, or of one that was killed: %s; stop it, or remove what it left: find %s -depth -path '*/kubepods*' -type d -exec rmdir {} +", strings.Join(found, ", "), cgroups)
	}
}

// borrow gives the machine back at the end of the test as it is now; dir is the
// node's.
func borrow(t *testing.T, dir string) {
	t.Helper()
	settings := map[string][]byte{}
	for _, key := range kubeletKeys {
		if value, err := os.ReadFile("/proc/sys/" + key); err == nil {
			settings[key] = value
		}
	}
	var absent []string
	for _, path := range kubeletDirs {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			absent = append(absent, path)
		}
	}
	namespaces, links := list("/run/netns"), list("/sys/class/net")
	t.Cleanup(func() {
		for key, value := range settings {
			if now, err := os.ReadFile("/proc/sys/" + key); err == nil && string(now) != string(value) {
				if err := os.WriteFile("/proc/sys/"+key, value, 0); err != nil {
					t.Errorf("%s was %s: %v", key, value, err)
				}
			}
		}
		// The last containers are still on their way out.
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if removePodCgroups(); len(podCgroups())+len(processes(dir))+len(mountsOf(dir)) == 0 {
				break
			}
		}
		for _, pid := range processes(dir) {
			words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			t.Errorf("left running: %d %s", pid, strings.ReplaceAll(string(words), "\x00", " "))
			syscall.Kill(pid, syscall.SIGKILL)
		}
		mounts := mountsOf(dir)
		for _, name := range list("/run/netns") {
			if strings.HasPrefix(name, "cni-") && !slices.Contains(namespaces, name) {
				mounts = append(mounts, "/run/netns/"+name)
			}
		}
		for _, path := range mounts {
			t.Errorf("left mounted: %s", path)
			if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
			if strings.HasPrefix(path, "/run/netns/") {
				os.Remove(path)
			}
		}
		for _, path := range podCgroups() {
			t.Errorf("left: %s", path)
		}
		for _, name := range list("/sys/class/net") {
			if !slices.Contains(links, name) && strings.HasPrefix(name, "odpm") {
				t.Errorf("left: interface %s", name)
			}
		}
		if len(mountsOf(dir)) > 0 {
			t.Fatalf("%s still has mounts, so it is not removed", dir)
		}
		for _, path := range append(absent, dir) {
			if err := os.RemoveAll(path); err != nil {
				t.Error(err)
			}
		}
	})
}

func list(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// mountsOf are the mounts below a directory, the last one first.
func mountsOf(dir string) (paths []string) {
	data, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(data)) {
		if path := strings.Fields(line)[1]; strings.HasPrefix(path, dir+"/") {
			paths = append(paths, path)
		}
	}
	slices.Reverse(paths)
	return paths
}

// podCgroups are those that a kubelet makes for its pods: one for each
// controller, or one for all.
func podCgroups() []string {
	found, _ := filepath.Glob(cgroups + "/*/kubepods")
	if _, err := os.Stat(cgroups + "/kubepods"); err == nil {
		found = append(found, cgroups+"/kubepods")
	}
	return found
}

// removePodCgroups removes them, which works once nothing runs in them.
func removePodCgroups() {
	for _, top := range podCgroups() {
		var dirs []string
		filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			os.Remove(dir)
		}
	}
}

// processes are those that have a directory in their arguments.
func processes(dir string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if words, err := os.ReadFile(path); err == nil && strings.Contains(string(words), dir+"/") {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
