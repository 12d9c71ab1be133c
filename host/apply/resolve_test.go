package apply

import (
	"strings"
	"testing"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

func TestCommandLine(t *testing.T) {
	s := &Run{Args: []string{"-C", "/srv/my project", "--skip-start"}}
	if got := s.commandLine(nil); got != "odpm -C '/srv/my project' --skip-start" {
		t.Error(got)
	}
}

// TestRefusalSaysWhatIsLost: "not empty -> empty" alone was shown, and then the
// command that starts a new, empty cluster.
func TestRefusalSaysWhatIsLost(t *testing.T) {
	snap := &snapshot.Snapshot{}
	snap.Compose.DataPathAbs = "/srv/acme/pg data"
	r := &Run{View: &look.View{World: &world.World{Snapshot: snap}}}
	obs := state.Observed{Data: datadir.Facts{State: datadir.Missing}, Candidate: snapshot.Snapshot{}}
	obs.Candidate.Compose.DataPathAbs = snap.Compose.DataPathAbs
	snap.Cluster.DataDirNonempty = true
	open := drift.Open(drift.Compare(obs, snap, nil), nil)
	if len(open) != 1 {
		t.Fatalf("%+v", open)
	}
	got := r.unaccepted(open).Error()
	at := -1
	for _, want := range []string{"not empty -> missing", "NEW EMPTY cluster", "mount or restore '/srv/acme/pg data'", "odpm --accept-database-drift=data_dir_empty_changed"} {
		i := strings.Index(got, want)
		if i <= at {
			t.Fatalf("%q is not there, or not in its place:\n%s", want, got)
		}
		at = i
	}
}
