package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// findModules prints the modules that Odoo does not find; Odoo's own
// neutralisation skips those silently.
const findModules = `import sys
import odoo
from odoo.tools import config
from odoo.modules.module import get_module_path
config.parse_config([])
for name in sys.stdin.read().split():
    try:
        path = get_module_path(name, display_warning=False)
    except TypeError:
        path = get_module_path(name)
    if not path:
        print(name)
`

func modulesMissing(names []string) error {
	return fmt.Errorf("these installed modules are not on Odoo's path, so Odoo would not neutralize them: %s. Add them, or restore without --neutralize", strings.Join(names, ", "))
}

// neutralize runs Odoo's own neutralisation on a database that nobody sees
// yet, after proving that all of its modules are on Odoo's path.
func (w *work) neutralize(ctx context.Context, database string, modules []string) error {
	if w.Stack == nil {
		return w.neutralizeNative(ctx, database, modules)
	}
	missing, errs := wording.Tail{Max: 16 << 10}, wording.Tail{Max: 16 << 10}
	err := w.Stack.RunOnce(ctx, engine.RunOnce{Service: w.Project.OdooServiceName, Entrypoint: "python3", NoDeps: true,
		Args: []string{"-c", findModules}, Stdin: strings.NewReader(strings.Join(modules, "\n")), Stdout: &missing, Stderr: &errs})
	if err != nil {
		return fmt.Errorf("could not find out which modules %s has: %w\n%s", w.Project.OdooImage, err, wording.LastLines(errs.String(), 5))
	}
	if names := strings.Fields(missing.String()); len(names) > 0 {
		return modulesMissing(names)
	}
	// An image whose own entrypoint names Odoo is given options alone, and the
	// command neutralize has to be the first word. So has a shell's line.
	if command := w.OdooCommand(); !w.HandsOn() || len(command) == 0 || strings.HasPrefix(command[0], "-") {
		return w.Stack.RunOnce(ctx, engine.RunOnce{Service: w.Project.OdooServiceName, NoDeps: true, Entrypoint: "odoo",
			Args: []string{"neutralize", "-c", compose.OdooConfTarget, "-d", database}, Stdout: w.Term.Err, Stderr: w.Term.Err})
	}
	command := w.OdooCommand()[0]
	return w.Stack.RunOnce(ctx, engine.RunOnce{Service: w.Project.OdooServiceName, NoDeps: true, Env: []string{apply.NoRecord},
		Args: []string{command, "neutralize", "-d", database}, Stdout: w.Term.Err, Stderr: w.Term.Err})
}
