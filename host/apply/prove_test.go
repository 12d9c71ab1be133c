package apply

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// Which file it is says nothing about whether this start has recorded: ext4
// gives an inode out again with the second file after it, and so the record of
// a start may look like the one from before it. Neither does its time.
func TestRecordedAt(t *testing.T) {
	dir := t.TempDir()
	in := &inputs.Inputs{Dirs: state.NewDirs(dir), Project: &project.Project{Dir: dir}}
	s := &Run{View: &look.View{Inputs: in, Desired: &desired.Desired{Handoff: &handoff.Handoff{ID: "8d3e4c0f0b5b7c7f0c9f6a2d1e4b5a69"}}}, Dirs: in.Dirs, Project: in.Project}
	if err := s.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	record := func(handoffID, startID string) os.FileInfo {
		t.Helper()
		err := snapshot.Save(s.snapshotPath(), &snapshot.Snapshot{
			Scenario: "developer", RecordedAt: at, HandoffID: handoffID, StartID: startID,
			Cluster: snapshot.Cluster{AppRole: "odoo", DataDirNonempty: true},
			Compose: snapshot.Compose{ServiceName: "db", DataPathAbs: "/x", HostPort: 5432, ImageTag: "15"},
		})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(s.snapshotPath())
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	id := s.Desired.Handoff.ID
	var starts []string
	same := 0
	for range 20 {
		before := record(id, "")
		start, err := s.announce()
		if err != nil {
			t.Fatal(err)
		}
		if handoff.LoadStart(s.Dirs.Runtime()) != start {
			t.Error("the announced start is not what the checker reads")
		}
		starts = append(starts, start)
		if s.recordedAt(start) || len(starts) > 1 && starts[0] == start {
			t.Fatal("a start is recorded before it was made")
		}
		// Another configuration's, and an older checker's.
		record("another", start)
		if s.recordedAt(start) {
			t.Error("another configuration counts")
		}
		record(id, "")
		if s.recordedAt(start) {
			t.Error("a record of no start counts")
		}
		after := record(id, start)
		if !s.recordedAt(start) {
			t.Error("this start's record does not count")
		}
		if os.SameFile(before, after) {
			same++
		}
	}
	t.Logf("%d of 20 looked like the file of before", same)
}

// The container's own checker is asked with the container's own command line.
func TestCheckArgv(t *testing.T) {
	s := &Run{View: &look.View{Inputs: &inputs.Inputs{}, Desired: &desired.Desired{}}}
	for _, c := range []struct{ argv, want string }{
		{"/usr/local/bin/odpm-checker -- /entrypoint.sh odoo", "/usr/local/bin/odpm-checker -- /entrypoint.sh odoo"},
		{"/usr/bin/tini -- /odpm-checker --timeout 90s -- odoo -d shop", "/odpm-checker --timeout 90s -- odoo -d shop"},
	} {
		got, err := s.checkArgv(t.Context(), engine.Container{Argv: strings.Fields(c.argv)})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q %v", c.argv, got, err)
		}
	}
}

func TestCheckerTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Minute, "90": 90 * time.Second, "2m": 2 * time.Minute, "x": time.Minute, "-1": time.Minute} {
		if got := checkerTimeout(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	if patience("10m") < 10*time.Minute || patience("") != proofTimeout {
		t.Error("the run gives up before its checker does")
	}
}
