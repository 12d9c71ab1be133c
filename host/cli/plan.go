package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/snapshot"
)

type planFlags struct {
	format, baseline, out            string
	diff, strict, noDocker, detailed bool
}

// planShort are flags of plan that are taken without plan- too.
var planShort = []string{"format", "show-diff", "strict", "no-docker"}

var planFormats = []string{"table", "json", "markdown"}

func (a *App) planCommand() *cobra.Command {
	var o planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show drift and what a run would do; write nothing",
		Long: `Show how the project differs from the last proven login, and every step of the run that
odpm would make. Nothing is written or started, not even a lock. With --out FILE the plan
is kept, and odpm --plan FILE does exactly what it says.`,
		Args: none, Annotations: exits(`  0    shown, whatever was found
  1    failed; with --plan-strict: a required step would change something;
       with --detailed-exitcode: usage
  2    usage; with --detailed-exitcode: changes or drift
`),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runPlan(asking(cmd.Context()), o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	// Upstream's names, and the short ones.
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if slices.Contains(planShort, name) {
			name = "plan-" + name
		}
		return pflag.NormalizedName(name)
	})
	f.BoolVar(&a.common.skipStart, "skip-start", false, "plan a run that starts nothing")
	f.StringVar(&o.format, "plan-format", "table", "print the plan as `FORMAT`: table, json, or markdown for a comment on a merge request (also --format)")
	f.BoolVar(&o.diff, "plan-show-diff", false, "show the files' changes and the SQL, secrets masked (also --show-diff)")
	f.BoolVar(&o.strict, "plan-strict", false, "exit 1 if a required step would change something (also --strict)")
	f.BoolVar(&o.noDocker, "plan-no-docker", false, "do not ask Docker (also --no-docker)")
	f.StringVar(&o.baseline, "baseline", "", "compare with `FILE`, which odpm-checker --result wrote elsewhere (- is standard input)")
	f.StringVar(&o.out, "out", "", "write the plan into the file `FILE` too; odpm --plan FILE does what it says")
	f.BoolVar(&o.detailed, "detailed-exitcode", false, "exit 2 on changes or drift; usage errors are then 1")
	return cmd
}

func (a *App) runPlan(ctx context.Context, o planFlags) error {
	if _, err := oneOf("--plan-format", o.format, planFormats...); err != nil {
		return err
	}
	if o.out != "" && o.noDocker {
		return ui.Usagef("--out and --plan-no-docker cannot be combined: a plan that will be applied has to know the containers")
	}
	if o.out != "" {
		if err := mayWrite(o.out); err != nil {
			return err
		}
	}
	opts, err := a.options()
	if err != nil {
		return err
	}
	opts.NoDocker, opts.Want.Explain = o.noDocker, true
	baseline, err := a.baseline(o.baseline)
	if err != nil {
		return err
	}
	end := a.looking()
	v, err := look.At(ctx, opts.Options)
	end()
	if err != nil {
		return err
	}
	r := report.Report{View: v, Baseline: baseline}
	if o.out != "" {
		if err := a.writeReviewed(o.out, r); err != nil {
			return err
		}
	}
	switch o.format {
	case "json":
		if err := r.WriteJSON(a.out, o.diff); err != nil {
			return err
		}
	case "markdown":
		r.WriteMarkdown(a.out, o.diff)
	default:
		a.term.Screen(func(out io.Writer) { r.WriteTable(out, a.term.OutColor, o.diff) })
	}
	switch {
	case o.strict && (v.Plan.RequiredChanges() || r.Differs()):
		return Outcome(1)
	case o.detailed && (v.Plan.Changes() || r.Differs()):
		return Outcome(2)
	}
	return nil
}

// inKubernetes is where a person finds what a checker proved in a cluster.
const inKubernetes = "in Kubernetes it is the termination message of the init container of a pod, NAME: kubectl get pod NAME -o jsonpath='{.status.initContainerStatuses[0].state.terminated.message}'"

// baseline reads what a checker proved elsewhere, nil where none is named.
func (a *App) baseline(path string) (*snapshot.Proven, error) {
	if path == "" {
		return nil, nil
	}
	in, where := io.Reader(a.in), "standard input"
	if path != "-" {
		data, err := regular.Read(path, snapshot.MaxProven)
		if err != nil {
			return nil, fmt.Errorf("--baseline: %w\nodpm-checker --result FILE writes it; %s", wording.BadFile(path, err), inKubernetes)
		}
		in, where = bytes.NewReader(data), path
	}
	p, err := snapshot.DecodeProven(in)
	if errors.Is(err, snapshot.ErrNewer) {
		return nil, fmt.Errorf("--baseline: %s: %w: use an odpm that is as new as that odpm-checker", where, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--baseline: %s is not what odpm-checker --result writes: %w; %s", where, err, inKubernetes)
	}
	return p, nil
}
