package report

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

func TestCodeOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		kind string
		want codes.Code
	}{
		{&ui.Refusal{Code: codes.PortTaken}, "refused", codes.PortTaken},
		{fmt.Errorf("then: %w", &ui.Refusal{Code: codes.DataInUse}), "refused", codes.DataInUse},
		{ui.Usagef("no"), "usage", codes.Usage},
		{errors.New("interrupted"), "interrupted", codes.Interrupted},
		{project.Errors{&project.ConfigError{File: ".env"}}, "failed", codes.ProjectConfig},
		{&snapshot.LoadError{Path: "x", Err: snapshot.ErrInvalid}, "failed", codes.SnapshotUnreadable},
		{&world.NoChecker{What: "x"}, "failed", codes.CheckerMissing},
		{fmt.Errorf("%w: odoo:1", engine.ErrNoImage), "failed", codes.ImageMissing},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "failed", codes.DiskFull},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "failed", codes.AccessDenied},
		{errors.New("else"), "failed", codes.Failed},
	} {
		if got := CodeOf(tc.err, tc.kind); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
	}
}
