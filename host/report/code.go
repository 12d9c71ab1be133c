package report

import (
	"errors"
	"io/fs"
	"slices"
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

// Explain is the line that names what "odpm explain" has to say about an error, ""
// where it would add nothing: a mistake in the command line, a "no", or a failure that
// has no code of its own.
func Explain(err error, kind string) string {
	return ExplainCodes(Codes(err, kind))
}

// Codes are those that "odpm explain" knows an error by, none where it would add
// nothing.
func Codes(err error, kind string) []codes.Code {
	if r := (*ui.Refusal)(nil); errors.As(err, &r) && len(r.Kinds) > 0 {
		return r.Kinds
	}
	switch code := CodeOf(err, kind); code {
	case codes.Usage, codes.Declined, codes.Failed, codes.Interrupted:
		return nil
	default:
		return []codes.Code{code}
	}
}

// ExplainCodes is the line that names them, "" for none.
func ExplainCodes(all []codes.Code) string {
	if len(all) == 0 {
		return ""
	}
	line := "For details: odpm explain"
	for i, code := range all {
		if !slices.Contains(all[:i], code) {
			line += " " + string(code)
		}
	}
	return line
}
