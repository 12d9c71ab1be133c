package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/snapshot"
)

func sample() *snapshot.Snapshot {
	present := true
	return &snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: "odoo", AppRolePresent: &present, DataDirNonempty: true, PGMajor: 15},
		Compose:  snapshot.Compose{ProjectName: "acme", OdooServiceName: "acme-odoo", ServiceName: "acme-db", DataPathAbs: "/srv/acme/data/postgresql/var/lib/postgresql/data", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "acme-db", DBPort: 5432, DBUser: "odoo"},
		Scenario: "developer", RecordedAt: time.Date(2026, 6, 17, 20, 0, 0, 0, time.UTC),
	}
}

// documented is product.md's example; a byte of it may not change.
const documented = `{
  "cluster": {
    "app_role": "odoo",
    "app_role_present": true,
    "data_dir_nonempty": true,
    "pg_major": 15
  },
  "compose": {
    "compose_project_name": "acme",
    "data_path_abs": "/srv/acme/data/postgresql/var/lib/postgresql/data",
    "host_port": 5432,
    "image_tag": "15",
    "odoo_service_name": "acme-odoo",
    "service_name": "acme-db"
  },
  "engine": "postgres",
  "odoo_conf": {
    "db_host": "acme-db",
    "db_port": 5432,
    "db_user": "odoo"
  },
  "odpm_scenario": "developer",
  "recorded_at": "2026-06-17T20:00:00+00:00",
  "schema_version": 1
}
`

func TestEncodeIsTheContract(t *testing.T) {
	got, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(documented, string(got)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	back, err := snapshot.Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), back, cmpopts.IgnoreUnexported(snapshot.Snapshot{})); d != "" {
		t.Errorf("read back: -want +got\n%s", d)
	}
}

func TestAbsentMeansUnknown(t *testing.T) {
	s := sample()
	s.Cluster.AppRolePresent, s.Cluster.PGMajor = nil, 0
	s.Compose.ProjectName, s.Compose.OdooServiceName = "", ""
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app_role_present", "pg_major", "compose_project_name", "odoo_service_name", "system_identifier", "handoff_id"} {
		if bytes.Contains(b, []byte(name)) {
			t.Errorf("%s was written though unknown:\n%s", name, b)
		}
	}
	validate(t, b)
}

func TestSchema(t *testing.T) {
	s := sample()
	s.Cluster.SystemIdentifier, s.HandoffID = "7345678901234567890", "abc"
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	validate(t, b)
	validate(t, []byte(documented))
	differences, err := schemas.Differences("proven", snapshot.Proven{})
	if err != nil || len(differences) > 0 {
		t.Error(err, differences)
	}
}

func validate(t *testing.T, data []byte) {
	t.Helper()
	if err := schemas.Written("last_run", data); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

// Python's own json is the oracle for what Python odpm reads.
func TestPythonReadsIt(t *testing.T) {
	py, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is needed: run make setup")
	}
	s := sample()
	s.Cluster.SystemIdentifier = "7345678901234567890"
	b, _ := s.Encode()
	cmd := exec.Command(py, "-c", `
import json,sys,datetime
d=json.load(sys.stdin)
assert datetime.datetime.fromisoformat(d["recorded_at"]).utcoffset()==datetime.timedelta(0)
c,o,k=d["compose"],d["odoo_conf"],d["cluster"]
print(c["service_name"],c["odoo_service_name"],c["compose_project_name"],c["data_path_abs"],c["host_port"],c["image_tag"],
 o["db_host"],o["db_port"],o["db_user"],k["app_role"],k["app_role_present"],k["data_dir_nonempty"],k["pg_major"],d["engine"],d["odpm_scenario"],d["schema_version"])`)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.CombinedOutput()
	want := "acme-db acme-odoo acme /srv/acme/data/postgresql/var/lib/postgresql/data 5432 15 acme-db 5432 odoo odoo True True 15 postgres developer 1\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n got %s\nwant %s", err, out, want)
	}
}

func TestUnknownMembersSurvive(t *testing.T) {
	in := strings.Replace(documented, `"engine"`, `"zz_top": {"a": [1, 2.5e3]}, "engine"`, 1)
	in = strings.Replace(in, `"pg_major": 15`, `"pg_major": 15, "wal_level": "replica"`, 1)
	s, err := snapshot.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	fresh := sample()
	fresh.KeepUnknown(s)
	for _, x := range []*snapshot.Snapshot{s, s.Clone(), fresh} {
		out, err := x.Encode()
		if err != nil || !bytes.Contains(out, []byte("wal_level")) || !bytes.Contains(out, []byte("2.5e3")) {
			t.Errorf("lost a member: %v\n%s", err, out)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(documented, old, new, 1) }
	for name, in := range map[string]string{
		"empty":                 "",
		"half a file":           documented[:200],
		"an array":              "[]",
		"something follows":     documented + "{}",
		"twice":                 edit(`"engine": "postgres",`, `"engine": "postgres", "engine": "postgres",`),
		"twice inside":          edit(`"db_port": 5432,`, `"db_port": 5432, "db_port": 1,`),
		"port as text":          edit(`"host_port": 5432`, `"host_port": "5432"`),
		"port too large":        edit(`"host_port": 5432`, `"host_port": 65536`),
		"port as fraction":      edit(`"host_port": 5432`, `"host_port": 54.5`),
		"boolean as number":     edit(`"data_dir_nonempty": true`, `"data_dir_nonempty": 1`),
		"other engine":          edit(`"postgres"`, `"mysql"`),
		"member missing":        edit(`"engine": "postgres",`, ``),
		"section missing":       edit(`"odoo_conf"`, `"odoo_konf"`),
		"no time":               edit(`2026-06-17T20:00:00+00:00`, `yesterday`),
		"escape sequence":       edit(`"acme-db"`, `"\u001b[2Jdb"`),
		"direction override":    edit(`"acme-db"`, `"\u202edb"`),
		"identifier as number":  edit(`"pg_major": 15`, `"pg_major": 15, "system_identifier": 7345678901234567890`),
		"identifier not digits": edit(`"pg_major": 15`, `"pg_major": 15, "system_identifier": "7x"`),
		"not UTF-8":             edit("acme-db", "acme\xff"),
		"line separator":        edit(`"acme-db"`, `"a\u2028db"`),
		"deeply nested":         edit(`"engine"`, `"zz": `+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`, "engine"`),
		"year 10000 in UTC":     edit(`2026-06-17T20:00:00+00:00`, `9999-12-31T23:59:59-05:00`),
		"path very long":        edit("/srv", "/"+strings.Repeat("x", 5000)),
	} {
		if _, err := snapshot.Decode([]byte(in)); !errors.Is(err, snapshot.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		} else if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: the message carries an escape: %q", name, err)
		}
	}
	if _, err := snapshot.Decode([]byte(edit(`"schema_version": 1`, `"schema_version": 2`))); !errors.Is(err, snapshot.ErrNewer) {
		t.Errorf("newer version: %v", err)
	}
}

func TestLoadTellsApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my project")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(dir, "last_run.json")
	check := func(what string, want error) {
		t.Helper()
		_, err := snapshot.Load(p)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if want != snapshot.ErrMissing && (err == nil || !strings.Contains(err.Error(), "mv "+shell.Quote(p)+" "+shell.Quote(p+".aside"))) {
			t.Errorf("%s: no way out in: %v", what, err)
		}
		os.RemoveAll(p)
	}
	check("nothing", snapshot.ErrMissing)
	os.WriteFile(p, []byte("{"), 0o644)
	check("half", snapshot.ErrInvalid)
	os.WriteFile(p, bytes.Repeat([]byte(" "), snapshot.MaxSize+1), 0o644)
	check("large", snapshot.ErrInvalid)
	other := filepath.Join(dir, "other")
	os.WriteFile(other, []byte(documented), 0o644)
	os.Symlink(other, p)
	check("link", snapshot.ErrUnreadable)
	os.Mkdir(p, 0o755)
	check("directory", snapshot.ErrUnreadable)
	syscall.Mkfifo(p, 0o644)
	check("fifo", snapshot.ErrUnreadable)
	os.WriteFile(p, []byte(strings.Replace(documented, `"schema_version": 1`, `"schema_version": 7`, 1)), 0o644)
	check("newer", snapshot.ErrNewer)
	if err := snapshot.Save(p, sample()); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Load(p); err != nil {
		t.Error(err)
	}
}

func TestSaveLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "last_run.json")
	for i := range 3 {
		s := sample()
		s.Compose.HostPort = 5000 + i
		if err := snapshot.Save(p, s); err != nil {
			t.Fatal(err)
		}
	}
	// A directory at the target makes the rename fail after the write.
	bad := filepath.Join(dir, "dir")
	os.MkdirAll(filepath.Join(bad, "x"), 0o755)
	if err := snapshot.Save(bad, sample()); err == nil {
		t.Error("a directory was replaced")
	}
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := fmt.Sprint(names); got != "[dir last_run.json]" {
		t.Errorf("left behind: %s", got)
	}
}

// Members that nobody knows grow when they are indented; a file that Load
// would refuse then must not take the place of one that it takes.
func TestSaveWritesNothingUnreadable(t *testing.T) {
	p := filepath.Join(t.TempDir(), "last_run.json")
	in := strings.Replace(documented, `"engine"`, `"zz": [`+strings.Repeat(`{"a":0},`, 6000)+`0], "engine"`, 1)
	if err := os.WriteFile(p, []byte(in), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Load(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Save(p, s); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("saved: %v", err)
	}
	if now, err := os.ReadFile(p); err != nil || string(now) != in {
		t.Errorf("the file has changed: %v", err)
	}
	// A path may hold anything.
	for path, ok := range map[string]bool{"/srv/a\u200db": true, "/srv/a\x1bb": false, "/srv/a\xff": false} {
		s := sample()
		s.Compose.DataPathAbs = path
		if err := snapshot.Save(p, s); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
		if _, err := snapshot.Load(p); err != nil {
			t.Errorf("after %q: %v", path, err)
		}
	}
	// Brackets in a string nest nothing.
	if _, err := snapshot.Decode([]byte(strings.Replace(documented, `"acme-db"`, `"`+strings.Repeat(`[\\\"`, 40)+`"`, 1))); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"schema_version":1}`))
	f.Add([]byte(strings.Replace(documented, "acme-db", "a", 1)))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := snapshot.Decode(in)
		if err != nil {
			return
		}
		out, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > snapshot.MaxSize {
			return
		}
		if _, err := snapshot.Decode(out); err != nil {
			t.Fatalf("what was read is not readable once written: %v\n%s", err, out)
		}
	})
}
