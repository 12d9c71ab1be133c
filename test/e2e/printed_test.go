package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	toType "github.com/odpm/odpm/test/typed"
)

// collecting runs scripts as testscript.Run does and keeps what each of them logs:
// everything that odpm printed, of which the proposed commands are then judged.
type collecting struct {
	*testing.T
	log *strings.Builder
	// more looks at each command, beside what is looked at everywhere.
	more []func(string) error
}

func (c collecting) Run(name string, script func(testscript.T)) {
	c.T.Run(name, func(t *testing.T) {
		one := collecting{t, &strings.Builder{}, c.more}
		script(one)
		for _, problem := range toType.Judge(one.log.String(), c.more...) {
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
