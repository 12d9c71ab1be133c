package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/odpm/odpm/test/localpg"
)

// setup gives a script a directory of its own under a short path that the
// server's user can reach, free ports, and a compose project name nobody has.
func setup(env *testscript.Env) error {
	for dir := env.WorkDir; len(dir) > 1; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o011 != 0o011 {
			if os.Chmod(dir, info.Mode().Perm()|0o011) != nil {
				break
			}
		}
	}
	home := filepath.Join(env.WorkDir, ".home")
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("BIN", bin)
	env.Setenv("WORK_URL", (&url.URL{Scheme: "file", Path: env.WorkDir}).String())
	env.Setenv("NO_COLOR", "1")
	if real, err := os.UserHomeDir(); err == nil {
		// The compose plugin may be installed for this user alone.
		env.Setenv("DOCKER_CONFIG", filepath.Join(real, ".docker"))
	}
	for i := 1; i <= 6; i++ {
		port, err := localpg.FreePort()
		if err != nil {
			return err
		}
		env.Setenv(fmt.Sprintf("PORT%d", i), strconv.Itoa(port))
	}
	project := fmt.Sprintf("odpmtest%d", time.Now().UnixNano()%1e9)
	env.Setenv("PROJECT", project)
	env.Setenv("BACKUP_DIR", filepath.Join(env.WorkDir, "backups"))
	fixtures, err := filepath.Abs(filepath.Join("..", "..", "host", "odoodb", "testdata"))
	if err != nil {
		return err
	}
	env.Setenv("FIXTURES", fixtures)
	newer, err := localpg.Bin("17")
	if err != nil {
		return err
	}
	env.Setenv("PG17", newer)
	example, err := filepath.Abs(filepath.Join("..", "example"))
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	env.Setenv("EXAMPLES", filepath.Join(filepath.Dir(filepath.Dir(example)), "examples"))
	env.Defer(func() { cleanUp(env.WorkDir, project) })
	return nil
}

// cleanUp stops what a script started: servers by their pid, containers by
// where they were started.
func cleanUp(dir, project string) {
	names := []string{project, project + "x"}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
		case d.Name() == "postmaster.pid" || d.Name() == "odoo.pid":
			stopPid(path)
		case d.Name() == ".odpm":
			// A project without a name of its own has its directory's.
			names = append(names, filepath.Base(filepath.Dir(path)))
		}
		return nil
	})
	for _, label := range []string{"com.docker.compose.project=" + project, "com.docker.compose.project=" + project + "x"} {
		removeAll("ps", []string{"rm", "-f", "-v"}, label)
		removeAll("network", []string{"network", "rm"}, label)
		removeAll("volume", []string{"volume", "rm", "-f"}, label)
	}
	removeAll("ps", []string{"rm", "-f", "-v"}, "odpm.test="+project)
	// By name: projects with the same checker share an image, and removing it
	// by its id would take the other scripts' names for it too.
	for _, name := range names {
		if out, err := exec.Command("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "odpm/"+name+"-odoo").Output(); err == nil && len(out) > 0 {
			exec.Command("docker", append([]string{"rmi"}, strings.Fields(string(out))...)...).Run()
		}
	}
}

func stopPid(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	f := strings.Fields(string(data))
	if len(f) == 0 {
		return
	}
	pid, err := strconv.Atoi(f[0])
	if err != nil || pid < 2 || !isOurs(pid) {
		return
	}
	syscall.Kill(pid, syscall.SIGQUIT)
	for range 200 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

// isOurs keeps a pid of another PID namespace (a container's postmaster.pid
// says 1 or some small number) from ending somebody else's process.
func isOurs(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && (strings.Contains(string(cmdline), "postgres") || strings.Contains(string(cmdline), "odoo"))
}

func removeAll(kind string, remove []string, label string) {
	list := []string{kind, "ls", "-q", "--filter", "label=" + label}
	if kind == "ps" {
		list = []string{"ps", "-aq", "--filter", "label=" + label}
	}
	out, err := exec.Command("docker", list...).Output()
	if err != nil || len(out) == 0 {
		return
	}
	exec.Command("docker", append(remove, strings.Fields(string(out))...)...).Run()
}
