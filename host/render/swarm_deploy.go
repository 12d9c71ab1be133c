package render

import (
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/yamlnode"
)

// monitor is how long Swarm watches a new task of Odoo: the checker in front of
// it waits for a minute before it gives up, and Odoo takes a while to fail.
const monitor = "90s"

// deploy says how many tasks there are, where, and how one takes the place of
// another. What a service of odpm.json says of that itself stays.
//
// stop-first: two servers on one data directory destroy it, and two Odoos of
// different images on one database are to meet as seldom as can be. Odoo's
// replicas are replaced one by one, so that the others go on serving while a
// bad image shows itself. Swarm takes a task for good as soon as its container
// runs, which may be a checker that is still waiting: hence the delay.
func (s *swarm) deploy(svc *yaml.Node, odoo bool) (*yaml.Node, error) {
	replicas := 1
	update := obj{"order", "stop-first", "failure_action", "rollback", "monitor", "30s"}
	if odoo {
		replicas = s.o.Replicas
		update = obj{"parallelism", 1, "delay", monitor, "order", "stop-first", "failure_action", "rollback", "monitor", monitor}
	}
	deploy, err := node(obj{
		"replicas", replicas,
		"placement", obj{"constraints", list{"node.hostname == " + s.o.Node}},
		"update_config", update,
		"restart_policy", obj{"condition", "any", "delay", "5s"},
	})
	if err != nil {
		return nil, err
	}
	if own := yamlnode.Get(svc, "deploy"); own != nil && own.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(own.Content); i += 2 {
			yamlnode.Set(deploy, own.Content[i].Value, own.Content[i+1])
		}
		if mode := yamlnode.Get(deploy, "mode"); mode != nil && mode.Value != "replicated" && yamlnode.Get(own, "replicas") == nil {
			remove(deploy, "replicas")
		}
	}
	return deploy, nil
}
