package apply

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/plan"
)

// listModules prints what an Odoo could take for a module, wherever it is in the
// container: addons_path, the image's own packages and data_dir all count, and
// which of them Odoo reads is for Odoo to say. Links may lead to modules under other
// names. A file store holds no modules and may have a million files. The last line
// tells a whole list from one that was cut off; find has exit code 1 for a directory
// that its user, who is Odoo's, cannot read.
const listModules = `find / \( -path /proc -o -path /sys -o -path /dev -o -name filestore -o -name sessions \) -prune -o \( -name __manifest__.py -o -name __openerp__.py -o -type l \) -print 2>/dev/null; echo ` + endOfModules

const endOfModules = "end-of-modules"

const (
	// modulesTime is what a list is worth waiting for: Odoo would say the same later.
	modulesTime = 10 * time.Second
	// maxModules is some ten times what an Odoo with all of OCA has.
	maxModules = 8 << 20
)

// OdooStays tells whether a run would leave Odoo's container as it is.
func (s *Run) OdooStays() bool {
	return s.Stack != nil && !slices.ContainsFunc(s.Plan.Actions, func(a plan.Action) bool {
		return a.Op == plan.UpOdoo || a.Op == plan.BuildImage || a.Op == plan.PullImage
	})
}

// ModulesInOdoo are the names of modules, and of links, in Odoo's container, where
// one runs: no container is made to find out. known is false where there is no list
// to rely on.
func (s *Run) ModulesInOdoo(ctx context.Context) (names []string, known bool) {
	if s.Stack == nil {
		return nil, false
	}
	c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil || !c.Running {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, modulesTime)
	defer cancel()
	var out atMost
	if s.Stack.Exec(ctx, c, []string{"sh", "-c", listModules}, nil, &out) != nil {
		return nil, false
	}
	list, whole := strings.CutSuffix(out.String(), endOfModules+"\n")
	if !whole {
		return nil, false
	}
	for line := range strings.Lines(list) {
		file := strings.TrimSuffix(line, "\n")
		if base := path.Base(file); base == "__manifest__.py" || base == "__openerp__.py" {
			file = path.Dir(file)
		}
		names = append(names, path.Base(file))
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// atMost keeps the first maxModules bytes of what an image's program writes.
type atMost struct{ strings.Builder }

func (b *atMost) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxModules {
		return 0, io.ErrShortWrite
	}
	return b.Builder.Write(p)
}
