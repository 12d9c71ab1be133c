package docker_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/enginetest"
)

func build(t *testing.T, dockerfile string, args map[string]string) string {
	t.Helper()
	need(t, image)
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": dockerfile, "odpm-checker": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tag := "odpm-test-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())) + ":1"
	var out bytes.Buffer
	if err := docker.New(docker.Options{}).Build(limit(t), engine.Build{Dir: dir, Tag: tag, Args: args, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Cleanup(func() { run(t, "rmi", "-f", tag) })
	return tag
}

// What a killed run leaves of looking into an image goes once it is old; what
// runs, or is young, stays.
func TestSweep(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	e := docker.New(docker.Options{})
	label := fmt.Sprintf("odpm.test.sweep=%d", os.Getpid())
	left := run(t, "create", "--label", label, "--entrypoint", "/never", image, "x")
	running := run(t, "run", "-d", "--label", label, "--entrypoint", "sleep", image, "600")
	t.Cleanup(func() { run(t, "rm", "-f", "-v", running) })
	count := func() int { return len(strings.Fields(run(t, "ps", "-aq", "--filter", "label="+label))) }
	e.Sweep(ctx, label, time.Hour)
	if n := count(); n != 2 {
		t.Errorf("%d containers, a young one is gone", n)
	}
	e.Sweep(ctx, label, 0)
	if n := count(); n != 1 {
		t.Errorf("%d containers, %s was to go", n, left)
	}
}

// The official entrypoint is known by what its script does, in each of its
// forms; one that does more, or without Odoo at its place, is not.
func TestImageAppendsLogin(t *testing.T) {
	ctx := limit(t)
	e := docker.New(docker.Options{})
	need(t, "odoo:18.0")
	for name, tt := range map[string]struct {
		dockerfile string
		want       bool
	}{
		"official":            {"FROM odoo:18.0\n", true},
		"its older form":      {"FROM odoo:16.0\n", true},
		"of 19":               {"FROM odoo:19.0\n", true},
		"under another name":  {"FROM odoo:18.0\nUSER root\nRUN mv /entrypoint.sh /start\nENTRYPOINT [\"/start\"]\n", true},
		"that does more":      {"FROM odoo:18.0\nUSER root\nRUN sed -i '2a mkdir -p /tmp/x' /entrypoint.sh\n", false},
		"behind the checker":  {"FROM odoo:18.0\nENTRYPOINT [\"/x\", \"--\", \"/entrypoint.sh\"]\n", true},
		"another entrypoint":  {"FROM odoo:18.0\nENTRYPOINT [\"/start\"]\n", false},
		"a script of its own": {"FROM odoo:18.0\nUSER root\nRUN echo 'exec \"$@\"' > /entrypoint.sh\n", false},
		"Odoo elsewhere":      {"FROM odoo:18.0\nUSER root\nRUN mv /usr/bin/odoo /usr/local/bin/\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := e.Image(ctx, build(t, tt.dockerfile, nil))
			if err != nil || img.AppendsLogin != tt.want {
				t.Errorf("%v %v", img.AppendsLogin, err)
			}
		})
	}
}

// What starts a dynamically linked checker is looked for in the image, behind links.
func TestImageLoaders(t *testing.T) {
	ctx := limit(t)
	e := docker.New(docker.Options{})
	need(t, image)
	for name, tt := range map[string]struct {
		dockerfile string
		want       []string
	}{
		"none":   {"FROM scratch\nCOPY odpm-checker /odpm-checker\n", []string{}},
		"musl":   {"FROM scratch\nCOPY odpm-checker /lib/ld-musl-x86_64.so.1\n", []string{"/lib/ld-musl-x86_64.so.1"}},
		"a link": {"FROM " + image + "\nRUN mkdir -p /opt/x && touch /opt/x/ld && ln -sf /opt/x/ld /lib/ld-musl-aarch64.so.1\n", []string{"ld-linux", "/lib/ld-musl-aarch64.so.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := e.Image(ctx, build(t, tt.dockerfile, nil))
			as := func(a, b string) bool { return a == b || b == "ld-linux" && strings.Contains(a, b) }
			if err != nil || img.Loaders == nil || !slices.EqualFunc(img.Loaders, tt.want, as) {
				t.Errorf("%q %v", img.Loaders, err)
			}
		})
	}
}

func TestImage(t *testing.T) {
	ctx := limit(t)
	e := docker.New(docker.Options{})
	need(t, image)
	if _, err := e.Image(ctx, "odpm-test-there-is-no-such-image:1"); !errors.Is(err, engine.ErrNoImage) {
		t.Errorf("%v", err)
	}
	pg, err := e.Image(ctx, image)
	if err != nil || pg.Checker != "" || pg.Env["PGDATA"] != "/var/lib/postgresql/data" || len(pg.Entrypoint) == 0 {
		t.Errorf("%+v %v", pg, err)
	}
	for name, tt := range map[string]struct{ dockerfile, at string }{
		"usual place":       {"FROM " + image + "\nCOPY odpm-checker /usr/local/bin/\n", "/usr/local/bin/odpm-checker"},
		"root":              {"FROM " + image + "\nCOPY odpm-checker /\n", "/odpm-checker"},
		"scratch":           {"FROM scratch\nCOPY odpm-checker /odpm-checker\n", "/odpm-checker"},
		"label":             {"FROM " + image + "\nLABEL io.github.odpm.checker=/opt/c\nCOPY odpm-checker /opt/c\n", "/opt/c"},
		"label that lies":   {"FROM " + image + "\nLABEL io.github.odpm.checker=/opt/c\n", ""},
		"entrypoint":        {"FROM " + image + "\nCOPY odpm-checker /opt/bin/odpm-checker\nENTRYPOINT [\"/opt/bin/odpm-checker\", \"--\", \"/x\"]\n", "/opt/bin/odpm-checker"},
		"symbolic link":     {"FROM " + image + "\nCOPY odpm-checker /opt/c\nRUN ln -s /opt/c /usr/local/bin/odpm-checker\n", "/usr/local/bin/odpm-checker"},
		"a directory there": {"FROM " + image + "\nRUN mkdir /odpm-checker\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tag := build(t, tt.dockerfile, nil)
			img, err := e.Image(ctx, tag)
			if err != nil || img.Checker != tt.at {
				t.Errorf("%q %v", img.Checker, err)
			}
			// By the test's own image: other tests have containers of postgres.
			if left := run(t, "ps", "-aq", "--filter", "ancestor="+tag); left != "" {
				t.Errorf("containers are left: %s", left)
			}
		})
	}
}

func TestBuildKeepsArgumentsSecret(t *testing.T) {
	tag := build(t, "FROM "+image+"\nARG WHAT\nRUN echo \"$WHAT\" >/what\n", map[string]string{"WHAT": "a 'b' $c"})
	if got := run(t, "run", "--rm", "--network", "none", "--entrypoint", "cat", tag, "/what"); got != "a 'b' $c" {
		t.Errorf("%q", got)
	}
}

func TestUserID(t *testing.T) {
	ctx := limit(t)
	e := docker.New(docker.Options{})
	for user, want := range map[string][2]int{
		"": {0, 0}, "postgres": {999, 999}, "1234": {1234, 0}, "1234:5678": {1234, 5678}, "999": {999, 999},
		"postgres:daemon": {999, 1}, "7:postgres": {7, 999},
	} {
		line := ""
		if user != "" {
			line = "USER " + user + "\n"
		}
		tag := build(t, "FROM "+image+"\n"+line, nil)
		uid, gid, err := e.UserID(ctx, tag, "")
		if err != nil || uid != want[0] || gid != want[1] {
			t.Errorf("%q: %d:%d %v", user, uid, gid, err)
		}
		if uid, gid, err := e.UserID(ctx, image, user); user != "" && (err != nil || uid != want[0] || gid != want[1]) {
			t.Errorf("user: %s of a service: %d:%d %v", user, uid, gid, err)
		}
		// What Docker itself makes of it.
		got := run(t, "run", "--rm", "--network", "none", "--entrypoint", "sh", tag, "-c", "echo $(id -u) $(id -g)")
		if got != fmt.Sprint(want[0], " ", want[1]) {
			t.Errorf("%q: docker says %s", user, got)
		}
	}
	if uid, gid, err := e.UserID(ctx, "odpm.invalid/not-pulled-yet:1", "1234:5678"); uid != 1234 || gid != 5678 || err != nil {
		t.Errorf("a user that needs no image: %d:%d %v", uid, gid, err)
	}
	// A problem, not a failure: what asks for no access, odpm stop for one, goes on.
	if problems, err := e.CheckAccess(ctx, image, "nobody-there", nil); err != nil || len(problems) != 1 || !strings.Contains(problems[0], "nobody-there") {
		t.Errorf("a user that the image does not know: %q, %v", problems, err)
	}
}

func TestCheckAccess(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	e := docker.New(docker.Options{})
	dir := t.TempDir()
	make := func(name string, dirMode os.FileMode, uid int) string {
		p := filepath.Join(dir, name)
		var err error
		if dirMode&os.ModeDir != 0 {
			err = os.Mkdir(p, 0o700)
		} else {
			err = os.WriteFile(p, []byte("x"), 0o600)
		}
		if err == nil {
			err = os.Chmod(p, dirMode.Perm())
		}
		if err == nil {
			err = os.Chown(p, uid, uid)
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	mine := make("mi:ne,d", os.ModeDir|0o755, 4321)
	others := make("the others", os.ModeDir|0o755, 0)
	secret := make("odoo.conf", 0o600, 0)
	open := make("open.conf", 0o644, 0)
	gone := filepath.Join(dir, "gone")
	read := func(p string) engine.Access { return engine.Access{Path: p} }
	write := func(p string) engine.Access { return engine.Access{Path: p, Write: true} }
	paths := []engine.Access{write(mine), write(others), read(others), read(secret), read(open), write(open), read(gone)}
	got, err := e.CheckAccess(ctx, image, "4321:4321", paths)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(got, "\n")
	if len(got) != 4 || !strings.Contains(all, others+" (it belongs to 0:0, mode 0755); to change that: sudo chown -R 4321:4321 '"+others+"'") ||
		!strings.Contains(all, "cannot read "+secret) || !strings.Contains(all, gone+" does not exist") || !strings.Contains(all, open+" is not a directory") {
		t.Errorf("%s", all)
	}
	if got, err := e.CheckAccess(ctx, image, "", []engine.Access{write(mine), write(others), read(secret)}); err != nil || len(got) != 0 {
		t.Errorf("root: %v %v", got, err)
	}
	if entries, _ := os.ReadDir(others); len(entries) != 0 {
		t.Errorf("the check wrote: %v", entries)
	}
}

// TestCheckAccessOnce: what was allowed is not asked again in each look of a run,
// and is asked again once somebody has changed the rights.
func TestCheckAccessOnce(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	log := filepath.Join(t.TempDir(), "asked")
	e := fake(t, "echo \"$*\" >>"+log+"\nexec \"$docker\" \"$@\"\n")
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, 4321, 4321)); err != nil {
		t.Fatal(err)
	}
	asked := func(problems int) int {
		t.Helper()
		got, err := e.Moment().CheckAccess(ctx, image, "4321:4321", []engine.Access{{Path: dir, Write: true}})
		if err != nil || len(got) != problems {
			t.Fatalf("%v %q, want %d", err, got, problems)
		}
		text, _ := os.ReadFile(log)
		return strings.Count(string(text), "odpm-access-")
	}
	for range 2 {
		if n := asked(0); n != 1 {
			t.Errorf("what was allowed was asked %d times", n)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	for want := range 2 {
		if n := asked(1); n != 2+want {
			t.Errorf("what was not allowed was asked %d times instead of %d", n-1, 1+want)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if n := asked(0); n != 4 {
		t.Errorf("asked %d times after the rights were given back", n)
	}
}

// TestEveryClient: the clients on PATH are of several ages (Debian 12 has
// 20.10), and say the same in other words.
func TestEveryClient(t *testing.T) {
	need(t, "odoo:18.0")
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		program, err := filepath.EvalSymlinks(filepath.Join(dir, docker.Program))
		if err != nil || seen[program] {
			continue
		}
		seen[program] = true
		t.Run(program, func(t *testing.T) {
			t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
			ctx := limit(t)
			o := project(t)
			e := docker.New(o)
			if err := docker.Available(ctx); err != nil {
				t.Fatal(err)
			}
			if img, err := e.Image(ctx, "odoo:18.0"); err != nil || img.Checker != "" || !img.AppendsLogin {
				t.Errorf("%+v %v", img, err)
			}
			if _, err := e.Image(ctx, "odpm-no-such-image:1"); !errors.Is(err, engine.ErrNoImage) {
				t.Errorf("%v", err)
			}
			if uid, _, err := e.UserID(ctx, "odoo:18.0", ""); err != nil || uid == 0 {
				t.Errorf("%d %v", uid, err)
			}
			if f, err := e.Look(ctx); err != nil || f.State != datadir.Empty {
				t.Errorf("%+v %v", f, err)
			}
			if who, err := e.PortHolder(ctx, freePort(t)); err != nil || who != "" {
				t.Errorf("%q %v", who, err)
			}
			if err := e.Start(ctx); err != nil {
				t.Fatal(err)
			}
			enginetest.Connect(t, e).Close(ctx)
			if h, err := e.Holders(ctx); err != nil || len(h) != 1 || !h[0].Own {
				t.Errorf("%+v %v", h, err)
			}
			if err := e.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
