package plan_test

import (
	"testing"

	"github.com/odpm/odpm/host/plan"
)

// A password that changed in .env is not in the container that runs: what that one
// logs in with proves nothing, and Odoo is started anew.
func TestPasswordOfEnvChanges(t *testing.T) {
	x := newPlace(docker)
	x.conf = "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n"
	if _, err := x.run(t, plan.Want{Goal: plan.Odoo}, nil); err != nil {
		t.Fatal(err)
	}
	x.p.AppPassword = "another"
	p, _, _ := x.make(t, plan.Want{Goal: plan.Odoo}, nil)
	for _, s := range p.Steps {
		if s.ID == plan.StepUp {
			for _, a := range s.Actions {
				if a.Op == plan.UpOdoo {
					return
				}
			}
			t.Fatalf("Odoo stays as it is: %+v", s)
		}
	}
	t.Fatal("no step starts Odoo")
}
