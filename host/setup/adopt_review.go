package setup

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
)

// review shows all of it, and asks.
func review(o apply.Options, a Adoption, t apply.Takeover, notes []string) error {
	say := o.Term.Say
	say("odpm adopt %s: from this stack to a proven login", ui.Clean(a.File))
	for _, service := range t.Build {
		say("  build   service %s, whose image is not on this machine", ui.Clean(service))
	}
	for _, image := range t.Pull {
		say("  pull    %s, which is not on this machine", ui.Clean(image))
	}
	for _, f := range t.Files {
		say("  write   %s", filepath.Base(f.Path))
	}
	if t.Keep {
		say("  write   %s, which puts the checker in front of Odoo; %s stays as it is", compose.OverlayName, ui.Clean(a.File))
	} else {
		say("  stop    the containers of compose project %s", ui.Clean(t.Before.Project))
		for _, c := range t.Copies {
			what := "volume " + c.Volume
			if c.Container != "" {
				what = "container " + c.Container
			}
			say("  copy    %s%s to %s, which stays as it is", ui.Clean(what), ui.Clean(c.From), ui.Clean(c.To))
		}
		for _, line := range inPlace(o.Dir, a.File) {
			say("  %s", ui.Clean(line))
		}
	}
	if o.Want.Goal < plan.Odoo {
		say("  not     started (--skip-start); then: odpm adopt")
	} else {
		say("  start   everything, and prove Odoo's login")
	}
	say("  undo    until then: odpm adopt --undo")
	for _, service := range t.Before.Layers {
		if t.Keep {
			break // its container stays
		}
		say("          for service %s only until it is started, because the old container has its data inside itself", ui.Clean(service))
	}
	for _, f := range t.Files {
		say("%s", ui.CleanLines(diff(filepath.Base(f.Path), f.Old, f.New)))
	}
	for _, n := range notes {
		say("%s", ui.Clean(n))
	}
	if a.Yes {
		return nil
	}
	answer, err := o.Term.Ask(ui.Question{Lines: []string{"Take it over?"}, GoOn: "do all of that"})
	switch {
	case errors.Is(err, ui.ErrNobodyToAsk):
		return &ui.Refusal{Code: codes.Declined, What: "The takeover needs confirmation, and there is no terminal to ask on. Nothing was written.", Ways: []string{again(a, "--yes")}, Err: err}
	case err != nil:
		return err
	case answer != ui.GoOn:
		return &ui.Refusal{Code: codes.Declined, What: "The stack was not taken over. Nothing was written."}
	}
	return nil
}

// inPlace says what becomes of the compose files. Those that docker compose reads by
// their names cannot stay beside odpm's; another one, prod.yaml for instance, can.
func inPlace(dir, file string) []string {
	own := filepath.Join(dir, compose.FileName)
	moved := compose.Beside(own)
	if _, err := os.Stat(own); err == nil {
		moved = append(moved, own)
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	rel := func(path string) string {
		if short, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(short) {
			return short
		}
		return path
	}
	var lines []string
	stays := true
	for _, path := range moved {
		lines = append(lines, "keep    "+rel(path)+" under a dated name; odpm's own takes its place")
		stays = stays && path != file
	}
	switch {
	case stays && len(moved) == 0:
		lines = append(lines, "write   "+compose.FileName+", odpm's own; "+rel(file)+" stays as it is")
	case stays:
		lines = append(lines, "stays   "+rel(file)+" as it is")
	}
	return lines
}
