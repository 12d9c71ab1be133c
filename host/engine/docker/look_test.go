package docker_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine/docker"
)

const lookHelper = "ODPM_TEST_LOOK"

// TestMain is also the other user's process: it looks and prints what it saw.
func TestMain(m *testing.M) {
	if text := os.Getenv(lookHelper); text != "" {
		var o docker.Options
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		f, err := docker.New(o).Look(context.Background())
		if err != nil {
			f.Reason = err.Error()
		}
		json.NewEncoder(os.Stdout).Encode(f)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lookAs runs this test's program as a user who may use Docker and may not
// read PostgreSQL's directory.
func lookAs(t *testing.T, o docker.Options) datadir.Facts {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test changes its user and runs as root; make test does")
	}
	g, err := user.LookupGroup("docker")
	if err != nil {
		t.Fatalf("%v\nrun: make setup", err)
	}
	gid, _ := strconv.Atoi(g.Gid)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "odpm-look-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "look")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), lookHelper+"="+string(text), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: uint32(gid)}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var f datadir.Facts
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return f
}

func file(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func cluster(t *testing.T, dir, version string) {
	t.Helper()
	file(t, filepath.Join(dir, "PG_VERSION"), version+"\n")
	file(t, filepath.Join(dir, "global", "pg_control"), "\x01\x02\x03\x00\x00\x00\x00\x80 and more")
}

// What is seen from inside a container is what root sees on the host.
func TestLookFromInside(t *testing.T) {
	need(t, image)
	for name, tt := range map[string]struct {
		major int
		make  func(t *testing.T, dir string)
	}{
		"empty":                    {15, func(*testing.T, string) {}},
		"only lost+found":          {15, func(t *testing.T, d string) { os.Mkdir(filepath.Join(d, "lost+found"), 0o700) }},
		"something else":           {15, func(t *testing.T, d string) { file(t, filepath.Join(d, "a\tb \"c\""), "") }},
		"15":                       {15, func(t *testing.T, d string) { cluster(t, d, "15") }},
		"9.6":                      {15, func(t *testing.T, d string) { cluster(t, d, "9.6") }},
		"18":                       {18, func(t *testing.T, d string) { cluster(t, filepath.Join(d, "18", "docker"), "18") }},
		"17 below the parent":      {18, func(t *testing.T, d string) { cluster(t, filepath.Join(d, "17", "docker"), "17") }},
		"parent of the old layout": {15, func(t *testing.T, d string) { cluster(t, filepath.Join(d, "data"), "14") }},
		"two majors": {18, func(t *testing.T, d string) {
			cluster(t, filepath.Join(d, "17", "docker"), "17")
			cluster(t, filepath.Join(d, "18", "docker"), "18")
		}},
		"PG_VERSION broken": {15, func(t *testing.T, d string) { cluster(t, d, "fifteen") }},
		"no pg_control":     {15, func(t *testing.T, d string) { file(t, filepath.Join(d, "PG_VERSION"), "15\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			o := project(t)
			if err := os.Chmod(o.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			o.DataDir = filepath.Join(o.Dir, "we,ird: dir")
			if err := os.Mkdir(o.DataDir, 0o700); err != nil {
				t.Fatal(err)
			}
			o.Major = tt.major
			tt.make(t, o.DataDir)
			if err := os.Chown(o.DataDir, 999, 999); err != nil {
				t.Fatal(err)
			}
			want := datadir.Look(o.DataDir, tt.major)
			got := lookAs(t, o)
			// The wording of a reason may differ; that there is one may not.
			if (want.Reason == "") != (got.Reason == "") {
				t.Errorf("reason %q, on the host %q", got.Reason, want.Reason)
			}
			want.Reason, got.Reason = "", ""
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-host +inside)\n%s", d)
			}
		})
	}
}

func TestLookWithoutAnImage(t *testing.T) {
	o := project(t)
	if err := os.Chmod(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cluster(t, o.DataDir, "15")
	if err := os.Chmod(o.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	o.Image = "odpm-test-there-is-no-such-image:15"
	f := lookAs(t, o)
	if f.State != datadir.Unknown || !strings.Contains(f.Reason, o.Image) {
		t.Errorf("%+v", f)
	}
	if f.Nonempty() != nil {
		t.Error("unknown was taken for something")
	}
}

func TestLookIntoVolumes(t *testing.T) {
	o := project(t)
	volume := o.Project + "-look"
	o.DataDir, o.DataVolume = "", volume
	if f, err := docker.New(o).Look(limit(t)); err != nil || f.State != datadir.Missing {
		t.Errorf("%+v %v", f, err)
	}
	if strings.Contains(run(t, "volume", "ls", "-q"), volume) {
		t.Error("looking made the volume")
	}
	run(t, "volume", "create", volume)
	t.Cleanup(func() { run(t, "volume", "rm", volume) })
	if f := lookAs(t, o); f.State != datadir.Empty {
		t.Errorf("%+v", f)
	}
	path := run(t, "volume", "inspect", "-f", "{{.Mountpoint}}", volume)
	cluster(t, path, "15")
	want := datadir.Look(path, 15)
	if f, err := docker.New(o).Look(limit(t)); err != nil || f != want {
		t.Errorf("%+v, want %+v; %v", f, want, err)
	}
	if f := lookAs(t, o); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
}

// PGDATA of somebody's compose file one level below its volume.
func TestLookBelowTheMount(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	volume := o.Project + "-sub"
	o.DataDir, o.DataVolume, o.VolumeName = "", volume, ""
	o.DataTarget, o.PGData = "/var/lib/postgresql/data", "/var/lib/postgresql/data/pgdata"
	run(t, "volume", "create", volume)
	t.Cleanup(func() {
		run(t, "compose", "-p", o.Project, "-f", o.Files[0], "down")
		run(t, "volume", "rm", volume)
	})
	write(t, o, "services: {db: {image: '"+image+"', environment: {POSTGRES_PASSWORD: x, PGDATA: "+o.PGData+"}, volumes: ['vol:/var/lib/postgresql/data']}}\nvolumes: {vol: {external: true, name: "+volume+"}}")
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	want, err := e.Look(ctx)
	if err != nil || want.State != datadir.Initialised || want.ClusterDir != "pgdata" || want.SystemIdentifier == "" {
		t.Errorf("%+v %v", want, err)
	}
	if got := lookAs(t, o); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := e.StopService(ctx, o.Service); err != nil {
		t.Fatal(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
