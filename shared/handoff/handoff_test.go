package handoff_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

func candidate() snapshot.Snapshot {
	return snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: "odoo"},
		Compose:  snapshot.Compose{ServiceName: "db", DataPathAbs: "/srv/pg", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "db", DBPort: 5432, DBUser: "odoo"},
		Scenario: "developer",
	}
}

func TestIdentify(t *testing.T) {
	id := func(c snapshot.Snapshot, conf string) string {
		s, err := handoff.Identify(&c, []byte(conf))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	base := id(candidate(), "[options]\n")
	proven := candidate()
	yes := true
	proven.RecordedAt, proven.HandoffID = time.Now(), base
	proven.Cluster = snapshot.Cluster{AppRole: "odoo", PGMajor: 15, SystemIdentifier: "1", AppRolePresent: &yes}
	if got := id(proven, "[options]\n"); got != base {
		t.Errorf("what the server said changes the id: %s, %s", got, base)
	}
	port := candidate()
	port.Compose.HostPort = 5433
	role := candidate()
	role.Cluster.AppRole = "erp"
	for name, other := range map[string]string{
		"port": id(port, "[options]\n"), "role": id(role, "[options]\n"), "odoo.conf": id(candidate(), "[options]\nlimit_time_cpu = 1\n"),
	} {
		if other == base {
			t.Errorf("another %s has the same id", name)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := handoff.Load(dir); !errors.Is(err, handoff.ErrMissing) {
		t.Errorf("nothing there: %v", err)
	}
	c := candidate()
	id, _ := handoff.Identify(&c, nil)
	want := &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: c, OdooMajor: 18}
	if err := handoff.Save(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := handoff.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != id || got.OdooMajor != 18 || got.Candidate.Compose != c.Compose || got.Candidate.OdooConf != c.OdooConf {
		t.Errorf("read back %+v", got)
	}
	data, _ := os.ReadFile(filepath.Join(dir, handoff.FileName))
	again, _ := got.Encode()
	if !bytes.Equal(data, again) {
		t.Errorf("not the same bytes:\n%s\n%s", data, again)
	}
	if err := schemas.Written("checker", data); err != nil {
		t.Error(err)
	}
	if err := handoff.SaveStart(dir, handoff.NewStartID()); err != nil {
		t.Fatal(err)
	}
	start, _ := os.ReadFile(filepath.Join(dir, handoff.StartFileName))
	if err := schemas.Written("start", start); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{
		"half": data[:len(data)/2], "newer": bytes.Replace(data, []byte(`"version": 1,`), []byte(`"version": 2,`), 1),
		"no id": bytes.Replace(data, []byte(`"id"`), []byte(`"x"`), 1), "tail": append(bytes.Clone(data), '{'),
	} {
		if _, err := handoff.Decode(bad); !errors.Is(err, handoff.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	more := bytes.Replace(data, []byte(`"id"`), []byte(`"x": {"y": [1]}, "id"`), 1)
	if h, err := handoff.Decode(more); err != nil || h.ID != id {
		t.Errorf("a newer odpm's member: %v", err)
	}
}
