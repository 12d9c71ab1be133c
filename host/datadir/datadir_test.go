package datadir_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/datadir"
)

func cluster(t *testing.T, dir, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "global"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte(version+"\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "global", "pg_control"), []byte{1, 2, 0, 0, 0, 0, 0, 0, 9, 9}, 0o600)
}

// begun makes what initdb makes before PG_VERSION.
func begun(dir string) {
	for _, name := range []string{"pg_wal/archive_status", "global", "pg_commit_ts", "base/1"} {
		os.MkdirAll(filepath.Join(dir, name), 0o700)
	}
}

func TestLook(t *testing.T) {
	for name, tt := range map[string]struct {
		make  func(dir string)
		image int
		state datadir.State
		major int
		at    string
	}{
		"missing":                   {func(dir string) { os.Remove(dir) }, 15, datadir.Missing, 0, ""},
		"empty":                     {func(string) {}, 15, datadir.Empty, 0, ""},
		"only lost+found":           {func(d string) { os.Mkdir(filepath.Join(d, "lost+found"), 0o700) }, 15, datadir.Empty, 0, ""},
		"something else":            {func(d string) { os.WriteFile(filepath.Join(d, "notes.txt"), nil, 0o600) }, 15, datadir.Other, 0, ""},
		"a file":                    {func(d string) { os.Remove(d); os.WriteFile(d, nil, 0o600) }, 15, datadir.Other, 0, ""},
		"15":                        {func(d string) { cluster(t, d, "15") }, 15, datadir.Initialised, 15, "."},
		"9.6":                       {func(d string) { cluster(t, d, "9.6") }, 15, datadir.Initialised, 9, "."},
		"18":                        {func(d string) { cluster(t, filepath.Join(d, "18", "docker"), "18") }, 18, datadir.Initialised, 18, "18/docker"},
		"17 under the parent of 18": {func(d string) { cluster(t, filepath.Join(d, "17", "docker"), "17") }, 18, datadir.Initialised, 17, "17/docker"},
		"two majors, the image's is meant": {func(d string) {
			cluster(t, filepath.Join(d, "18", "docker"), "18")
			cluster(t, filepath.Join(d, "19", "docker"), "19")
		}, 19, datadir.Initialised, 19, "19/docker"},
		"parent mounted":       {func(d string) { cluster(t, filepath.Join(d, "data"), "16") }, 16, datadir.Initialised, 16, "data"},
		"PG_VERSION is a pipe": {func(d string) { syscall.Mkfifo(filepath.Join(d, "PG_VERSION"), 0o600) }, 15, datadir.Other, 0, "."},
		"PG_VERSION is a link": {func(d string) { os.Symlink("/etc/hostname", filepath.Join(d, "PG_VERSION")) }, 15, datadir.Other, 0, "."},
		"18 is a link out": {func(d string) {
			other := d + ".other"
			cluster(t, filepath.Join(other, "docker"), "18")
			os.Symlink(other, filepath.Join(d, "18"))
		}, 18, datadir.Other, 0, "18/docker"},
		"data is a pipe":         {func(d string) { syscall.Mkfifo(filepath.Join(d, "data"), 0o600) }, 15, datadir.Other, 0, ""},
		"base is a pipe":         {func(d string) { cluster(t, d, "15"); syscall.Mkfifo(filepath.Join(d, "base"), 0o600) }, 15, datadir.Initialised, 15, "."},
		"18 is a pipe":           {func(d string) { syscall.Mkfifo(filepath.Join(d, "18"), 0o600) }, 18, datadir.Other, 0, ""},
		"the path is a pipe":     {func(d string) { os.Remove(d); syscall.Mkfifo(d, 0o600) }, 15, datadir.Other, 0, ""},
		"initdb has begun":       {func(d string) { begun(d) }, 15, datadir.Unfinished, 0, ""},
		"initdb of 18 has begun": {func(d string) { begun(filepath.Join(d, "18", "docker")) }, 18, datadir.Unfinished, 0, ""},
		"begun, and something else": {func(d string) {
			begun(d)
			os.WriteFile(filepath.Join(d, "notes.txt"), nil, 0o600)
		}, 15, datadir.Other, 0, ""},
		"PG_VERSION broken": {func(d string) { cluster(t, d, "fifteen") }, 15, datadir.Other, 0, "."},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "we[i]rd *")
			os.Mkdir(dir, 0o755)
			tt.make(dir)
			f := datadir.Look(dir, tt.image)
			if at := datadir.ClusterDir(f.Path, tt.image); at != f.ClusterDir {
				t.Errorf("ClusterDir %q, and Look says %q", at, f.ClusterDir)
			}
			if f.State != tt.state || f.Major != tt.major || f.ClusterDir != tt.at {
				t.Errorf("%+v", f)
			}
			if f.State == datadir.Initialised && f.Major >= 10 && f.SystemIdentifier != "513" {
				t.Errorf("identifier %q", f.SystemIdentifier)
			}
			if n := f.Nonempty(); n == nil || *n != (tt.state == datadir.Initialised || tt.state == datadir.Other || tt.state == datadir.Unfinished) {
				t.Errorf("nonempty %v", n)
			}
		})
	}
	// The zero value, what an unreadable directory gives, is neither.
	if n := (datadir.Facts{}).Nonempty(); n != nil {
		t.Errorf("unknown became %v", *n)
	}
}

func TestLayoutProblem(t *testing.T) {
	at := func(dir string, major int) datadir.Facts {
		return datadir.Facts{Path: "/srv/pg", State: datadir.Initialised, Major: major, ClusterDir: dir}
	}
	for name, tt := range map[string]struct {
		facts datadir.Facts
		image int
		sub   string
		want  string
	}{
		"15 as it should be":      {at(".", 15), 15, "", ""},
		"18 as it should be":      {at("18/docker", 18), 18, "", ""},
		"18 in the old layout":    {at(".", 18), 18, "", "18/docker"},
		"18 under data":           {at("data", 18), 18, "", "18/docker"},
		"16 with its parent":      {at("data", 16), 16, "", "POSTGRES_DATA_DIR=/srv/pg/data"},
		"in a volume's directory": {at("pgdata", 15), 15, "pgdata", ""},
		"in another than that":    {at(".", 15), 15, "pgdata", "volume:NAME"},
		"another major is drift":  {at(".", 15), 18, "", ""},
	} {
		p := datadir.LayoutProblem(tt.facts, tt.image, tt.sub)
		if (p == nil) != (tt.want == "") {
			t.Errorf("%s: %+v", name, p)
		} else if p != nil && !strings.Contains(p.Message+strings.Join(p.Ways, " "), tt.want) {
			t.Errorf("%s: %q is not in %+v", name, tt.want, p)
		}
	}
}

// The command that is printed is run as it stands, and the image then finds
// the cluster.
func TestLayoutProblemCommand(t *testing.T) {
	for name, at := range map[string]string{"at the top": ".", "under data": "data"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "it's a place")
			cluster := filepath.Join(dir, at)
			if err := os.MkdirAll(cluster, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("18\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p := datadir.LayoutProblem(datadir.Facts{Path: dir, State: datadir.Initialised, Major: 18, ClusterDir: at}, 18, "")
			_, command, ok := strings.Cut(p.Ways[0], ": ")
			if !ok {
				t.Fatalf("no command: %q", p.Ways)
			}
			if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "18", "docker", "PG_VERSION")); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		})
	}
}

// TestHostile: what a container has put in a file's place is neither waited for
// nor followed.
func TestHostile(t *testing.T) {
	dir := t.TempDir()
	cluster(t, dir, "15")
	control := filepath.Join(dir, "global", "pg_control")
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(secret, []byte("a host's secret"), 0o600)
	for what, make := range map[string]func(path string) error{
		"a pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a symbolic link": func(path string) error { return os.Symlink(secret, path) },
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for _, path := range []string{control, filepath.Join(dir, "postmaster.pid")} {
			os.Remove(path)
			if err := make(path); err != nil {
				t.Fatal(err)
			}
		}
		if f := datadir.Look(dir, 15); f.State != datadir.Initialised || f.SystemIdentifier != "" {
			t.Errorf("%s: %+v", what, f)
		}
		if id, err := datadir.Identity(dir); err == nil {
			t.Errorf("%s: identity %s", what, id)
		}
		_, err := datadir.ReadFile(dir, "postmaster.pid", 1<<10)
		if err == nil || !strings.Contains(err.Error(), "it is "+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
