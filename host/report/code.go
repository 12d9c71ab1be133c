package report

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

// CodeOf is an error's code; kind is the word for its exit code.
func CodeOf(err error, kind string) codes.Code {
	var (
		refusal *ui.Refusal
		config  *project.ConfigError
		record  *snapshot.LoadError
		checker *world.NoChecker
	)
	switch {
	case errors.As(err, &refusal) && refusal.Code != "":
		return refusal.Code
	case kind == "usage":
		return codes.Usage
	case kind == "interrupted":
		return codes.Interrupted
	case errors.As(err, &config):
		return codes.ProjectConfig
	case errors.As(err, &record):
		return codes.SnapshotUnreadable
	case errors.As(err, &checker):
		return codes.CheckerMissing
	case errors.Is(err, engine.ErrNoImage):
		return codes.ImageMissing
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return codes.DiskFull
	case errors.Is(err, fs.ErrPermission):
		return codes.AccessDenied
	}
	return codes.Failed
}
