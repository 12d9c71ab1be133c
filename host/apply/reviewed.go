package apply

import (
	"maps"
	"slices"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// Reviewed is a plan that somebody has read (odpm plan --out); nil where a run plans
// for itself.
type Reviewed struct {
	// Directory is the project's, Fingerprint the plan's.
	Directory   string
	Fingerprint map[string]string
}

// check refuses a plan that is not the reviewed one. What a run finds out only
// once PostgreSQL runs was not in it either.
func (rev *Reviewed) check(dir string, p *plan.Plan) error {
	if rev == nil {
		return nil
	}
	if rev.Directory != dir {
		// A copy of a project has the same plan.
		return &ui.Refusal{Code: codes.PlanChanged, What: "The plan was made for another project. Nothing was written or started.",
			Details: []string{"made for: " + ui.Clean(rev.Directory), "this is:  " + ui.Clean(dir)},
			Ways:    []string{"odpm -C " + shell.Quote(rev.Directory) + " plan --plan-show-diff        shows what would be done there now"}}
	}
	want, got := rev.Fingerprint, p.Fingerprint()
	var other []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			other = append(other, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			other = append(other, name)
		}
	}
	if len(other) == 0 {
		return nil
	}
	return &ui.Refusal{Code: codes.PlanChanged, What: "A run would no longer do what was reviewed: something has changed since the plan was written. Nothing was written or started.",
		Details: prefixed("different now: ", other),
		Ways:    []string{"odpm plan --plan-show-diff        shows what would be done now", "odpm plan --out FILE        writes it to the file FILE for another review"}}
}

func prefixed(before string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = before + n
	}
	return out
}
