package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	toType "github.com/odpm/odpm/test/typed"
)

// collecting runs scripts as testscript.Run does and keeps what each of them logs:
// everything that odpm printed, of which the proposed commands are then checked.
type collecting struct {
	*testing.T
	log *strings.Builder
	// checked: what is proposed is checked.
	checked bool
}

func (c collecting) Run(name string, script func(testscript.T)) {
	c.T.Run(name, func(t *testing.T) {
		one := collecting{t, &strings.Builder{}, c.checked}
		script(one)
		if !c.checked {
			return
		}
		for _, problem := range proposed(one.log.String()) {
			t.Error(problem)
		}
	})
}

// Verbose: a script that does not fail would forget what its earlier parts printed.
func (c collecting) Verbose() bool { return true }

func (c collecting) Log(args ...any) {
	c.Helper()
	fmt.Fprintln(c.log, args...)
	if testing.Verbose() || c.Failed() {
		c.T.Log(args...)
	}
}

// proposed gives what is wrong with the commands that odpm proposes in a log:
// each must parse as shell and as odpm's own, none may change permissions of
// the system's directories, and what destroys something comes last.
func proposed(log string) []string {
	var problems []string
	for _, block := range strings.Split("\n"+log, "\n> ")[1:] {
		command, said, _ := strings.Cut(block, "\n")
		if !strings.Contains(command, "odpm") || strings.Contains(command, "odpm-checker") {
			continue
		}
		_, messages, _ := strings.Cut(said, "[stderr]\n")
		commands := toType.Printed(messages)
		for _, c := range commands {
			_, err := toType.Check(c)
			if err != nil && strings.Contains(messages, "Did you mean: "+c) {
				// The name of a command, whose argument the person knows.
				_, err = toType.Check(c + " FILE")
			}
			if err != nil {
				problems = append(problems, fmt.Sprintf("%s: it proposes %q: %v", command, c, err))
			}
		}
		if what := toType.Safe(commands); what != "" {
			problems = append(problems, fmt.Sprintf("%s: %s", command, what))
		}
	}
	return problems
}

func TestProposed(t *testing.T) {
	log := "> exec odpm\n[stderr]\nodpm: no.\nTo continue:\n  odpm --replace-compose        replaces it\n  odpm plam\n  chown me /x\n> exec cat x\n[stderr]\n  odpm nothing\n"
	if got := proposed(log); len(got) != 2 || !strings.Contains(got[0], "plam") || !strings.Contains(got[1], "comes after") {
		t.Errorf("%q", got)
	}
}
