package setup

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

// Level says how bad a finding is.
type Level int

const (
	// OK: it is there.
	OK Level = iota
	// Note: worth knowing, nothing is in the way.
	Note
	// Missing: a run would fail.
	Missing
	// Refused: a run would refuse, as the plan says.
	Refused
)

// String is the word in JSON.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Note:
		return "note"
	case Missing:
		return "missing"
	}
	return "refused"
}

// Finding is one line of `odpm doctor`.
type Finding struct {
	Level Level
	Text  string
	// Codes are what "odpm explain" knows it by, if it does.
	Codes []codes.Code
}

// Bad: no run would get to its end.
func (f Finding) Bad() bool { return f.Level >= Missing }

// Examine looks at the machine and the project; it changes nothing.
func Examine(ctx context.Context, o look.Options) []Finding {
	var out []Finding
	add := func(l Level, f string, args ...any) {
		out = append(out, Finding{Level: l, Text: fmt.Sprintf(f, args...)})
	}
	p, err := project.Load(o.Dir, o.Environ, o.Home)
	if err != nil {
		add(Missing, "project: %v", err)
		p = nil
	} else {
		add(OK, "project %s: PostgreSQL %s, Odoo %s", p.Dir, p.PostgresVersion, wording.OrUnset(p.OdooVersion))
	}
	dockerErr := engines.DockerAvailable(ctx)
	if dockerErr == nil {
		add(OK, "Docker answers, docker compose is there")
	}
	var nativeErr error
	if p != nil && !p.External {
		nativeErr = engines.NativeAvailable(ctx, p)
		if nativeErr == nil {
			add(OK, "PostgreSQL %d's own programs are on this machine (ODPM_RUNTIME=native)", p.PostgresMajor)
		}
	}
	kind := project.Auto
	if p != nil {
		kind = p.Runtime
		if was, err := state.NewDirs(p.Dir).Remembered(state.EngineFile); err == nil && kind == project.Auto && was != "" {
			// "auto" is decided: another engine must not be proposed for the same data.
			kind = project.Runtime(was)
		}
	}
	wantDocker := kind != project.Native
	wantNative := p != nil && kind != project.Docker
	if wantNative && p.External && kind == project.Auto {
		// PostgreSQL runs elsewhere; what is left is to start Odoo.
		wantNative = len(p.OdooCommand) > 0
	}
	switch {
	case wantDocker && dockerErr == nil || wantNative && nativeErr == nil:
		if dockerErr != nil && wantDocker {
			add(Note, "no Docker: %v", dockerErr)
		}
	default:
		if wantDocker && wantNative {
			add(Missing, "neither Docker nor PostgreSQL's own programs can be used; one of the two is enough")
		}
		if wantDocker {
			add(Missing, "%v", dockerErr)
		}
		if wantNative && nativeErr != nil {
			add(Missing, "%v", nativeErr)
		}
	}
	on, env := world.InContainers(""), map[string]string{"ODPM_CHECKER": os.Getenv("ODPM_CHECKER")}
	if p != nil {
		env = p.Env
	}
	if dockerErr != nil {
		on = world.Here
	}
	if path, err := world.CheckerPath(env, on); err != nil {
		add(Missing, "%v", err)
	} else {
		add(OK, "odpm-checker: %s", path)
	}
	if p == nil {
		return out
	}
	v, err := look.At(ctx, o)
	if err != nil {
		add(Missing, "%v", err)
		return out
	}
	for _, r := range v.Plan.Refusals {
		// What is missing is a reason to refuse, too; it is shown once.
		if text := r.Err.Error(); !slices.ContainsFunc(out, func(f Finding) bool { return f.Text == text }) {
			out = append(out, Finding{Refused, text, report.Codes(r.Err, "failed")})
		}
	}
	var (
		kinds []codes.Code
		names []string
	)
	for _, d := range drift.Changes(v.Plan.Drifts) {
		switch {
		case !d.NeedsAnswer():
		case !d.Resolvable:
			out = append(out, Finding{Refused, strings.Join(append([]string{d.Text()}, d.WaysOut...), "\n  "), []codes.Code{codes.Code(d.Kind)}})
		default:
			kinds, names = append(kinds, codes.Code(d.Kind)), append(names, string(d.Kind))
		}
	}
	if len(kinds) > 0 {
		out = append(out, Finding{Note, fmt.Sprintf("drift since the last run needs an answer: %s; see: odpm plan", strings.Join(names, ", ")), kinds})
	}
	for _, w := range v.Plan.Warnings {
		add(Note, "%s", w)
	}
	images(ctx, v, add)
	outside(ctx, v, add)
	if text := v.LoginInArguments(ctx); text != "" {
		add(Note, "%s", text)
	}
	if v.World.Snapshot == nil {
		add(Note, "no login has been recorded yet; see: odpm plan")
	} else {
		add(OK, "last proven login: %s", snapshot.Stamp(v.World.Snapshot.RecordedAt))
	}
	return out
}
