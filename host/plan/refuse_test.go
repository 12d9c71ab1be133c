package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

func TestProposePrefix(t *testing.T) {
	for dir, want := range map[string]string{"/srv/acme/odoo": "acme-odoo", "/": "acme", "/1/2x": "x", "/srv/Ärger_Shop": "srv-rger-shop"} {
		if got := ProposePrefix(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

// Where the entrypoint itself waits, what is printed leads to Odoo too.
func TestIdleWay(t *testing.T) {
	for entrypoint, want := range map[string]string{"": "command: odoo for that service  ", "tail": "command: odoo for that service, without an entrypoint of its own  "} {
		s := types.ServiceConfig{Name: "odoo"}
		s.Command = types.ShellCommand{"tail", "-f", "/dev/null"}
		if entrypoint != "" {
			s.Entrypoint, s.Command = s.Command, nil
		}
		m := &maker{Plan: &Plan{}, p: &project.Project{OdooServiceName: "odoo"}, w: &world.World{},
			in: &inputs.Inputs{Project: &project.Project{Dir: "/p"}, Kept: &foreign.File{Files: []string{"/p/compose.yml"}, Doc: &types.Project{Services: types.Services{"odoo": s}}}}}
		var r *ui.Refusal
		if err := m.idles(); !errors.As(err, &r) || !strings.HasPrefix(r.Ways[0], want) {
			t.Errorf("%q: %v", entrypoint, err)
		}
	}
}
