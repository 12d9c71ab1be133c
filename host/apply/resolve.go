package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// titles are a prompt's first line.
var titles = map[drift.Kind]string{
	drift.OdpmScenario:        "The scenario (ODPM_SCENARIO) changed:",
	drift.DataDirEmptyChanged: "The content of the PostgreSQL data directory changed:",
	drift.DataPath:            "PostgreSQL data directory changed:",
	drift.PostgresMajor:       "PostgreSQL major version changed:",
	drift.AppRoleMissing:      "The application role is missing:",
	drift.ClusterIdentity:     "A different PostgreSQL cluster is in the data directory:",
}

// settle asks about each drift that needs an answer, or refuses, and refuses
// what the plan does. It accepts nothing on its own and writes nothing.
func (r *Run) settle(ctx context.Context) error {
	open := r.Plan.Open
	for _, d := range open {
		if !d.Resolvable {
			return &ui.Refusal{Code: codes.Code(d.Kind), What: d.Message + " " + r.nothingDone(), Ways: d.WaysOut,
				Details: []string{fmt.Sprintf("%s  %s -> %s", d.Kind, ui.Clean(d.Previous), ui.Clean(d.Current))}}
		}
	}
	if len(open) > 0 && !r.Term.Interactive {
		return r.unaccepted(open)
	}
	accepted := maps.Clone(r.Accepted)
	if accepted == nil {
		accepted = drift.Accepted{}
	}
	for _, d := range open {
		answer, err := r.Term.Ask(r.question(d))
		if errors.Is(err, ui.ErrNobodyToAsk) {
			return r.unaccepted(open)
		}
		if err != nil {
			return err
		}
		if answer != ui.GoOn {
			return &ui.Refusal{Code: codes.Declined, What: fmt.Sprintf("%s was not accepted. %s", d.Kind, r.nothingDone())}
		}
		accepted[d.Kind] = true
	}
	if len(open) > 0 {
		if err := r.toward(ctx, r.Want, accepted); err != nil {
			return err
		}
	}
	return r.Plan.Refused()
}

func (r *Run) nothingDone() string {
	switch {
	case r.done.Started:
		return "Only PostgreSQL was started to find this out, and it was stopped again."
	case r.done.Acted:
		return "Nothing more was done."
	}
	return "Nothing was written or started."
}

func (r *Run) question(d drift.Drift) ui.Question {
	q := ui.Question{
		Lines: []string{titles[d.Kind], "  previous: " + ui.Clean(d.Previous), "  current:  " + ui.Clean(d.Current), d.Message},
		GoOn:  "continue with " + ui.Clean(d.Current),
	}
	switch d.Kind {
	case drift.DataPath:
		q.GoOn, q.InstructionsLabel = "accept new data path", "show wipe instructions"
		q.Instructions = keepOrWipe(r.World.Snapshot.Compose.DataPathAbs, r.Desired.Observed.Candidate.Compose.DataPathAbs, r.Project.Name, r.Project.PostgresImage)
	case drift.DataDirEmptyChanged:
		q.GoOn = "continue with the directory as it is"
		q.InstructionsLabel = "show where the data may be"
		q.Instructions = []string{
			"The last run's data directory was " + ui.Clean(r.World.Snapshot.Compose.DataPathAbs) + ".",
			"If it was moved, name the new place in .env: POSTGRES_DATA_DIR=/new/place",
			"If a disk is not mounted, mount it and run odpm again.",
		}
	case drift.PostgresMajor:
		q.GoOn = "accept; the data has been dealt with"
		q.InstructionsLabel = "show how to migrate"
		q.Instructions = []string{
			"odpm does not migrate data across majors. With the old postgres_version in odpm.json again:",
			"  odpm -d NAME --db-backup        a backup of each database NAME",
			"Then restore them into an empty data directory of the new major, as docs/how-to/major-upgrade.md shows,",
			"or use pg_upgrade (https://www.postgresql.org/docs/current/pgupgrade.html).",
		}
	case drift.AppRoleMissing:
		q.GoOn = "create the role"
		q.InstructionsLabel = "show the statements"
		q.Instructions = []string{"odpm database ensure-role --show-sql"}
	case drift.ClusterIdentity:
		q.GoOn = "accept this cluster"
		q.InstructionsLabel = "show what to compare"
		q.Instructions = []string{
			"The number is pg_control's system_identifier; a file copy of a cluster keeps it, a new initdb or another machine's cluster has a different one.",
			"  odpm database status",
		}
	}
	return q
}

// back is what takes a drift away without accepting it: a setting for .env or
// odpm.json, or what to do first. "" where nothing was there before.
func (r *Run) back(d drift.Drift) string {
	snap := r.World.Snapshot
	if snap == nil {
		return ""
	}
	was := snap.Compose.DataPathAbs
	if service, ok := strings.CutPrefix(was, "anonymous:"); ok && (d.Kind == drift.DataPath || d.Kind == drift.DataDirEmptyChanged) {
		return "docker volume ls -f dangling=true        one of these may be the anonymous volume that service " + shell.Quote(service) + " had"
	}
	switch d.Kind {
	case drift.DataPath:
		return "POSTGRES_DATA_DIR=" + shell.Quote(was) + " in .env"
	case drift.DataDirEmptyChanged:
		if d.Previous == "empty" {
			return "look at what is in " + shell.Quote(was) + ", and move it elsewhere if it is not this project's"
		}
		return "mount or restore " + shell.Quote(was) + ", or name the data's new place: POSTGRES_DATA_DIR=/new/place in .env"
	case drift.PostgresMajor:
		return "\"postgres_version\": \"" + d.Previous + "\" in odpm.json"
	case drift.OdpmScenario:
		return "ODPM_SCENARIO=" + d.Previous + " in .env"
	case drift.ClusterIdentity:
		return "move the cluster of the last run back to " + shell.Quote(was)
	}
	return ""
}

// unaccepted lists every open drift and the command that accepts exactly
// these. Its first sentence is upstream's, scripts look for it.
func (r *Run) unaccepted(open []drift.Drift) error {
	kinds := make([]string, len(open))
	width := 0
	for i, d := range open {
		kinds[i] = string(d.Kind)
		width = max(width, len(d.Kind))
	}
	refusal := &ui.Refusal{Code: codes.DriftUnaccepted, What: "Database configuration drift requires confirmation in non-interactive mode. Drift kinds: " +
		strings.Join(kinds, ", ") + ". Use --accept-database-drift=KIND for each accepted drift."}
	for _, d := range open {
		refusal.Kinds = append(refusal.Kinds, codes.Code(d.Kind))
		refusal.Details = append(refusal.Details, fmt.Sprintf("%-6s  %-*s  %s -> %s", d.Severity, width, d.Kind, ui.Clean(d.Previous), ui.Clean(d.Current)),
			"        "+ui.Clean(d.Message))
	}
	var back []string
	for _, d := range open {
		if way := r.back(d); way != "" {
			back = append(back, ui.Clean(way))
		}
	}
	return &acceptable{refusal, back, r.commandLine(open), r.nothingDone()}
}

// acceptable is a refusal that an exact command takes away.
type acceptable struct {
	*ui.Refusal
	// back keeps what was there before; it comes first, since accepting may be
	// what loses data.
	back           []string
	command, after string
}

func (a *acceptable) Error() string {
	var b strings.Builder
	b.WriteString(a.Refusal.Error())
	if len(a.back) > 0 {
		b.WriteString("\nTo keep what the last run had:\n  " + strings.Join(a.back, "\n  "))
	}
	b.WriteString("\nAccept exactly these:\n  " + a.command + "\n" + a.after)
	return b.String()
}
func (a *acceptable) Unwrap() error { return a.Refusal }

// commandLine is the command as typed, with the acceptances added.
func (r *Run) commandLine(open []drift.Drift) string {
	words := []string{"odpm"}
	for i := 0; i < len(r.Args); i++ {
		words = append(words, shell.Quote(r.Args[i]))
	}
	for _, d := range open {
		words = append(words, "--accept-database-drift="+string(d.Kind))
	}
	return strings.Join(words, " ")
}
