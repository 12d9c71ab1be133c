package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/regular"
)

// reviewedFile is what "odpm plan --out" writes and "odpm --plan" takes. Plan is
// for people; the rest is compared.
type reviewedFile struct {
	Version        int               `json:"reviewed_version"`
	Directory      string            `json:"directory"`
	SkipStart      bool              `json:"skip_start"`
	ReplaceCompose bool              `json:"replace_compose"`
	Accepted       []string          `json:"accepted"`
	Fingerprint    map[string]string `json:"fingerprint"`
	Plan           json.RawMessage   `json:"plan"`
}

// maxReviewed is far more than a plan with its diffs has.
const maxReviewed = 64 << 20

// writeReviewed writes a plan to be applied later, secrets masked.
func (a *App) writeReviewed(file string, r report.Report) error {
	var shown bytes.Buffer
	if err := r.WriteJSON(&shown, true); err != nil {
		return err
	}
	data, err := json.MarshalIndent(reviewedFile{Version: 1, Directory: r.Project.Dir, SkipStart: a.common.skipStart, ReplaceCompose: a.common.replaceCompose,
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

// reviewed reads a plan and makes a run's options those that it was made with.
func (a *App) reviewed(cmd *cobra.Command, file string, opts *apply.Options) error {
	for _, name := range []string{"accept-database-drift", "replace-compose", "skip-start"} {
		if cmd.Flags().Changed(name) {
			return ui.Usagef("--plan and --%s: the plan says it already; give --%s to odpm plan --out", name, name)
		}
	}
	data, err := regular.Read(file, maxReviewed)
	if err != nil {
		return err
	}
	var f reviewedFile
	if err := json.Unmarshal(data, &f); err != nil {
		place, why := jsonpos.Explain(data, err)
		return fmt.Errorf("%s is not a plan that odpm plan --out wrote: %s%s", file, place, why)
	}
	if f.Version != 1 || f.Fingerprint == nil {
		return fmt.Errorf("%s is not a plan that odpm plan --out wrote", file)
	}
	if opts.Accepted, err = drift.ParseAccepted(f.Accepted); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	opts.Want.ReplaceCompose = f.ReplaceCompose
	if f.SkipStart {
		opts.Want.Goal = plan.Files
	}
	opts.Reviewed = f.Fingerprint
	return nil
}
