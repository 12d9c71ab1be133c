package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/version"
)

// reviewedFile is what "odpm plan --out" writes and "odpm --plan" takes. Plan is
// for people; the rest is compared.
type reviewedFile struct {
	Version        int               `json:"reviewed_version"`
	Odpm           string            `json:"odpm"`
	Directory      string            `json:"directory"`
	SkipStart      bool              `json:"skip_start"`
	ReplaceCompose bool              `json:"replace_compose"`
	Accepted       []string          `json:"accepted"`
	Fingerprint    map[string]string `json:"fingerprint"`
	PlanSum        string            `json:"plan_sum"`
	Plan           json.RawMessage   `json:"plan"`
}

// reviewedVersion is what this odpm writes and reads.
const reviewedVersion = 1

// maxReviewed is far more than a plan with its diffs has.
const maxReviewed = 64 << 20

// mayWrite looks at where a plan is to be written before the project is: that can take long.
func mayWrite(file string) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return ui.Usagef("--out: %s is a directory; name a file, for example: odpm plan --out %s", file, shell.Quote(filepath.Join(file, "plan.json")))
	}
	dir := filepath.Dir(file)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return wording.WithNext(ui.Usagef("--out: %s", wording.NoSuchPath(file)), "To make it", "mkdir -p "+shell.Quote(dir))
	case err == nil && !info.IsDir():
		return ui.Usagef("--out: %s", wording.NoSuchPath(file))
	}
	return nil
}

// writeReviewed writes a plan to be applied later, secrets masked.
func (a *App) writeReviewed(file string, r report.Report) error {
	var shown bytes.Buffer
	if err := r.WriteJSON(&shown, true); err != nil {
		return err
	}
	data, err := json.MarshalIndent(reviewedFile{Version: reviewedVersion, Odpm: version.String(), PlanSum: planSum(shown.Bytes()), Directory: r.Project.Dir, SkipStart: a.common.skipStart, ReplaceCompose: a.common.replaceCompose,
		Accepted: append([]string{}, a.common.accept...), Fingerprint: r.Plan.Fingerprint(), Plan: shown.Bytes()}, "", "  ")
	if err != nil {
		return err
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	// The files' contents are in it, though not their secrets.
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}

// planSum stands for a plan, however it is laid out: what was read must be what was
// written.
func planSum(plan []byte) string {
	// Decoded: ">" in a string and "\u003e" are the same.
	d := json.NewDecoder(bytes.NewReader(plan))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return ""
	}
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// reviewed reads a plan and makes a run's options those that it was made with.
func (a *App) reviewed(cmd *cobra.Command, file string, opts *apply.Options) error {
	for _, name := range []string{"accept-database-drift", "replace-compose", "skip-start"} {
		if cmd.Flags().Changed(name) {
			return ui.Usagef("--plan and --%s: the plan contains it already; pass --%s to odpm plan --out", name, name)
		}
	}
	// What is no plan is to be made anew, and where it goes is known.
	name := file
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		name = filepath.Join(file, "plan.json")
	}
	again := func(format string, args ...any) error {
		return wording.WithNext(fmt.Errorf(format, args...), "To write one", "odpm plan --out "+shell.Quote(name))
	}
	data, err := regular.Read(file, maxReviewed)
	if err != nil {
		return again("--plan: %w", wording.BadFile(file, err))
	}
	var f reviewedFile
	if err := jsonpos.Unmarshal(data, &f); err != nil {
		return again("%s is not a plan that odpm plan --out wrote: %w", file, err)
	}
	switch {
	case f.Version == 0 || f.Version == reviewedVersion && f.Fingerprint == nil:
		return again("%s is not a plan that odpm plan --out wrote: it has no %s", file, map[bool]string{true: "reviewed_version", false: "fingerprint"}[f.Version == 0])
	case f.Version != reviewedVersion:
		return again("%s was written by another odpm: its reviewed_version is %d, and this odpm reads %d", file, f.Version, reviewedVersion)
	case f.Odpm != version.String():
		return again("%s was written by odpm %s, and this is odpm %s, which may do something else for the same plan", file, wording.OrUnset(ui.Clean(f.Odpm)), version.String())
	case f.PlanSum != planSum(f.Plan):
		return again("%s was edited after odpm plan --out wrote it, so a run would not do what was reviewed", file)
	}
	if opts.Accepted, err = drift.ParseAccepted(f.Accepted); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	opts.Want.ReplaceCompose = f.ReplaceCompose
	if f.SkipStart {
		opts.Want.Goal = plan.Files
	}
	opts.Reviewed = &apply.Reviewed{Directory: f.Directory, Fingerprint: f.Fingerprint}
	return nil
}
