package docker_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/native"
)

// bystander is an image that has nothing to do with PostgreSQL.
const bystander = "debian:bookworm-slim"

// sleeper runs a container that does nothing, with a name of its own.
func sleeper(t *testing.T, o docker.Options, image string, args ...string) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "-", ":", "-", "'", "").Replace(t.Name())) + "-" + strconv.Itoa(os.Getpid())
	args = append([]string{"run", "-d", "--init", "--network", "none", "--name", name, "--entrypoint", "sleep"}, args...)
	run(t, append(args, image, "1000")...)
	t.Cleanup(func() { run(t, "rm", "-f", "-v", name) })
	return name
}

// held asks for the holders and wants this one, and no other.
func held(t *testing.T, e engine.Reader, want string) engine.Holder {
	t.Helper()
	list, err := e.Holders(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	if want == "" {
		if len(list) != 0 {
			t.Errorf("nobody holds it, found: %+v", list)
		}
		return engine.Holder{}
	}
	if len(list) != 1 || list[0].Name != want {
		t.Fatalf("%s holds it, found: %+v", want, list)
	}
	return list[0]
}

// Every way that a container can have the directory, and some that it has not.
func TestHoldersByMount(t *testing.T) {
	need(t, image, bystander)
	o := project(t)
	e := docker.New(o)
	link := filepath.Join(o.Dir, "link")
	sibling := o.DataDir + "2"
	elsewhere := t.TempDir()
	for _, err := range []error{os.Symlink(o.DataDir, link), os.Mkdir(sibling, 0o755), os.Mkdir(filepath.Join(o.DataDir, "pg_wal"), 0o755),
		os.Symlink(o.Dir, filepath.Join(elsewhere, "project"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		mount, image string
		held         bool
	}{
		"same path":                     {o.DataDir + ":/var/lib/postgresql/data", image, true},
		"same path, any image":          {o.DataDir + ":/backup", bystander, true},
		"symbolic link":                 {link + ":/var/lib/postgresql/data", image, true},
		"through a linked parent":       {filepath.Join(elsewhere, "project", "data") + ":/x", bystander, true},
		"a directory inside":            {filepath.Join(o.DataDir, "pg_wal") + ":/wal", bystander, true},
		"parent, where PostgreSQL is":   {o.Dir + ":/var/lib/postgresql", bystander, true},
		"parent, PostgreSQL's image":    {o.Dir + ":/srv", image, true},
		"linked parent":                 {filepath.Join(elsewhere, "project") + ":/srv", image, true},
		"the whole disk, read-write":    {"/:/host", bystander, false},
		"parent, a bystander":           {o.Dir + ":/srv", bystander, false},
		"same path, read-only":          {o.DataDir + ":/data:ro", image, false},
		"a sibling of the same letters": {sibling + ":/var/lib/postgresql/data", image, false},
	} {
		t.Run(name, func(t *testing.T) {
			who := sleeper(t, o, tt.image, "-v", tt.mount)
			if !tt.held {
				held(t, e, "")
				return
			}
			h := held(t, e, who)
			if h.Own || h.Kind != "container" || h.StopCommand != "docker stop -t 120 "+who {
				t.Errorf("%+v", h)
			}
			if _, err := e.SingleUser(limit(t), "SELECT 1;"); err == nil || !strings.Contains(err.Error(), who) {
				t.Errorf("single-user mode beside it: %v", err)
			}
			// The native engine sees it too.
			list, err := docker.ContainerHolders(limit(t), o.DataDir)
			if err != nil || len(list) != 1 || list[0].Name != who {
				t.Errorf("for the native engine: %+v %v", list, err)
			}
			// The command that it names is the one that helps.
			run(t, strings.Fields(strings.Replace(strings.TrimPrefix(h.StopCommand, "docker "), "-t 120", "-t 1", 1))...)
			held(t, e, "")
		})
	}
}

func TestHoldersByVolume(t *testing.T) {
	need(t, image, bystander)
	o := project(t)
	link := filepath.Join(o.Dir, "link")
	if err := os.Symlink(o.DataDir, link); err != nil {
		t.Fatal(err)
	}
	for name, device := range map[string]string{"device": o.DataDir, "device is a link": link, "device is the parent": o.Dir} {
		t.Run(name, func(t *testing.T) {
			volume := o.Project + "-foreign"
			run(t, "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device="+device, volume)
			t.Cleanup(func() { run(t, "volume", "rm", volume) })
			held(t, docker.New(o), sleeper(t, o, image, "-v", volume+":/var/lib/postgresql/data"))
		})
	}
	volume := o.Project + "-own"
	run(t, "volume", "create", volume)
	t.Cleanup(func() { run(t, "volume", "rm", volume) })
	named := o
	named.DataDir, named.DataVolume = "", volume
	t.Run("by name", func(t *testing.T) {
		held(t, docker.New(named), "")
		held(t, docker.New(named), sleeper(t, o, bystander, "-v", volume+":/x"))
	})
	t.Run("by its mountpoint", func(t *testing.T) {
		path := run(t, "volume", "inspect", "-f", "{{.Mountpoint}}", volume)
		held(t, docker.New(named), sleeper(t, o, bystander, "-v", path+":/x"))
	})
	t.Run("a path inside the engine's own place", func(t *testing.T) {
		inside := o
		inside.DataDir = run(t, "volume", "inspect", "-f", "{{.Mountpoint}}", volume)
		held(t, docker.New(inside), sleeper(t, o, bystander, "-v", volume+":/x"))
	})
	t.Run("another volume", func(t *testing.T) {
		sleeper(t, o, image)
		held(t, docker.New(named), "")
	})
}

// A bind mount on the host gives a directory a second path that no link and
// no prefix tells.
func TestHoldersBehindAHostMount(t *testing.T) {
	need(t, image)
	if os.Geteuid() != 0 {
		// Mounting takes root; the comparison by device and inode is the one
		// that TestHoldersByMount's links use.
		return
	}
	o := project(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mount", "--bind", o.DataDir, other}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", other).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	t.Run("bind", func(t *testing.T) {
		held(t, docker.New(o), sleeper(t, o, image, "-v", other+":/var/lib/postgresql/data"))
	})
}

func TestHoldersOfComposeProjects(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	idle := func(o docker.Options, service string) {
		write(t, o, "services: {"+service+": {image: '"+image+"', entrypoint: [sleep, '1000'], init: true, network_mode: none, volumes: ['"+o.DataDir+":/var/lib/postgresql/data']}}")
		run(t, "compose", "-p", o.Project, "--project-directory", o.Dir, "-f", o.Files[0], "up", "-d", service)
	}
	other := project(t)
	other.DataDir = o.DataDir
	idle(other, "database")
	e := docker.New(o)
	h := held(t, e, other.Project+"-database-1")
	if h.Own || h.Project != other.Project || h.Service != "database" || h.WorkingDir != other.Dir {
		t.Errorf("%+v", h)
	}
	if want := "docker compose -p " + other.Project + " stop -t 120 database"; h.StopCommand != want {
		t.Errorf("%q, want %q", h.StopCommand, want)
	}
	run(t, "compose", "-p", other.Project, "stop", "-t", "1", "database")
	held(t, e, "")

	// Our own service; the same under its old name; the same project's name
	// from another directory.
	idle(o, "db")
	if h := held(t, e, o.Project+"-db-1"); !h.Own {
		t.Errorf("%+v", h)
	}
	renamed := o
	renamed.Service = "postgres"
	if h := held(t, docker.New(renamed), o.Project+"-db-1"); h.Own || h.Project != o.Project || h.Service != "db" {
		t.Errorf("%+v", h)
	}
	elsewhere := o
	elsewhere.Dir = other.Dir
	if h := held(t, docker.New(elsewhere), o.Project+"-db-1"); h.Own {
		t.Errorf("%+v", h)
	}
	// A one-off container of our own service is somebody at work.
	run(t, "stop", "-t", "1", o.Project+"-db-1")
	once := o.Project + "-once"
	run(t, "compose", "-p", o.Project, "--project-directory", o.Dir, "-f", o.Files[0], "run", "-d", "--name", once, "db")
	if h := held(t, e, once); h.Own || h.StopCommand != "docker stop -t 120 "+once {
		t.Errorf("%+v", h)
	}
	run(t, "rm", "-f", once)
	run(t, "start", o.Project+"-db-1")
	pause(t, o.Project+"-db-1")
	held(t, e, o.Project+"-db-1")
	if s, err := e.Status(ctx); err != nil || s.Ready {
		t.Errorf("%+v %v", s, err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Errorf("stopping a paused one: %v", err)
	}
	held(t, e, "")
}

func TestHoldersNativeServer(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	if err := os.Chmod(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(o.DataDir); err != nil {
		t.Fatal(err)
	}
	n := native.New(native.Options{DataDir: o.DataDir, Major: 15, Port: freePort(t), StateDir: o.Dir, ContainerHolders: docker.ContainerHolders})
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop(context.Background()) })
	st, err := n.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	e := docker.New(o)
	if h := held(t, e, st.ID); h.Own || h.Kind != "postmaster" || h.StopCommand != "kill -INT "+strings.TrimPrefix(st.ID, "pid ") {
		t.Errorf("%+v", h)
	}
	link := o
	link.DataDir = filepath.Join(o.Dir, "link")
	if err := os.Symlink(o.DataDir, link.DataDir); err != nil {
		t.Fatal(err)
	}
	held(t, docker.New(link), st.ID)
	if _, err := e.SingleUser(ctx, "SELECT 1;"); err == nil || !strings.Contains(err.Error(), st.ID) {
		t.Errorf("%v", err)
	}
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	held(t, e, "")

	// The other way round: a container's server, seen from native, once.
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	h := held(t, n, o.Project+"-db-1")
	if h.Own || h.StopCommand != "docker compose -p "+o.Project+" stop -t 120 db" {
		t.Errorf("%+v", h)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	held(t, n, "")
}
