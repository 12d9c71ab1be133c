// Package baseline refreshes last_run.json after a proven login.
package baseline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/snapshot"
)

// Why nothing was recorded.
var (
	// ErrNoHandoff: odpm did not start this container; there is nothing to
	// record.
	ErrNoHandoff = errors.New("no hand-off")
	// ErrStale: this container was created for another hand-off, so what it
	// proves is not the project's present configuration.
	ErrStale = errors.New("the hand-off belongs to another configuration")
)

// Handoff loads checker.json and compares it with the id that the container
// was created with. The hand-off is given for ErrStale too, for messages.
func Handoff(dir, id string) (*handoff.Handoff, error) {
	h, err := handoff.Load(dir)
	switch {
	case errors.Is(err, handoff.ErrMissing):
		return nil, ErrNoHandoff
	case err != nil:
		return nil, err
	case h.ID != id:
		return h, ErrStale
	}
	return h, nil
}

// Record writes what was proven: compose, odoo_conf and scenario as the host
// wanted them, cluster as the server said, and the start that was announced
// when this program began, "" for none. Members of the existing file that this
// program does not know stay.
func Record(dir string, h *handoff.Handoff, startID string, res *pglogin.Result) error {
	if want := h.Candidate.OdooConf.DBUser; want != "" && want != res.User {
		return fmt.Errorf("the login was proven for role %q, but the project's role is %q", res.User, want)
	}
	path := filepath.Join(dir, snapshot.FileName)
	old, err := snapshot.Load(path)
	if err != nil && !errors.Is(err, snapshot.ErrMissing) {
		// A file that nobody understands may hold what somebody needs: it is
		// for a person to move it aside.
		var le *snapshot.LoadError
		if errors.As(err, &le) {
			return fmt.Errorf("%s is left alone: %w", path, le.Err)
		}
		return err
	}
	present := true
	s := h.Candidate.Clone()
	s.KeepUnknown(old)
	s.Cluster = snapshot.Cluster{
		AppRole: res.User, AppRolePresent: &present, DataDirNonempty: true,
		PGMajor: res.Major(), SystemIdentifier: res.SystemIdentifier,
	}
	s.RecordedAt = time.Now().UTC()
	s.HandoffID, s.StartID = h.ID, startID
	if err := snapshot.Save(path, s); err != nil {
		return explain(dir, err)
	}
	return nil
}

// explain adds what a person can do about a directory that cannot be written.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is not mounted", dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s is mounted read-only; mount .odpm/database read-write", dir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("uid %d may not write %s; on the host: sudo chown %d .odpm/database", os.Getuid(), dir, os.Getuid())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("no space left for %s on the host", strconv.Quote(dir))
	}
	return err
}
