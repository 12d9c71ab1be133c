package database

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/wording"
)

// installable refuses what -i names and no Odoo here has, before Odoo is stopped or
// a database is made for it: a slip of the pen cost a downtime and a whole
// installation. The database knows all modules since its last update, and the
// project has its own; only where neither knows one is Odoo's container asked, and
// only if it runs as the project wants it.
func (w *work) installable(ctx context.Context) error {
	r := w.req
	state := w.knownModules(ctx)
	var missing []string
	for _, m := range r.InitModules {
		if m != "base" && m != "all" && state[m] == "" && !slices.Contains(project.Addons(w.Project.Dir), m) {
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 || !w.odooStays {
		return nil
	}
	there, known := w.ModulesInOdoo(ctx)
	if !known {
		return nil
	}
	var wrong []string
	for _, m := range missing {
		if slices.Contains(there, m) {
			continue
		}
		names := append(slices.Sorted(maps.Keys(state)), there...)
		wrong = append(wrong, m+" (unknown to Odoo"+wording.DidYouMean(m, append(names, project.Addons(w.Project.Dir)...))+")")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("-i: neither the project's addons nor Odoo's container has these modules: %s. Nothing was changed, and Odoo was not stopped", strings.Join(wrong, ", "))
}

// knownModules are those of the database that stays; none where there is none yet, or
// where it cannot be asked: what follows then says why.
func (w *work) knownModules(ctx context.Context) map[string]string {
	if !w.existed || w.req.Drop || w.req.Restore != "" {
		return nil
	}
	if fresh, err := w.uninitialised(ctx); err != nil || fresh {
		return nil
	}
	state, err := odoodb.ModuleStates(ctx, w.server, w.req.Name)
	if err != nil {
		return nil
	}
	return state
}
