package plan_test

import "github.com/compose-spec/compose-go/v2/types"

// internal: an override has PostgreSQL on an internal network alone.
func internal(x *place) {
	x.in.ComposeFiles = append(x.in.ComposeFiles, dir+"/docker-compose.override.yml")
	service := func(name, port string, networks ...string) types.ServiceConfig {
		s := types.ServiceConfig{Name: name}
		s.Ports = []types.ServicePortConfig{{Published: port}}
		s.Networks = map[string]*types.ServiceNetworkConfig{}
		for _, n := range networks {
			s.Networks[n] = nil
		}
		return s
	}
	x.in.Merged = &types.Project{Name: "acme", Networks: types.Networks{"back": {Name: "acme_back", Internal: true}, "front": {Name: "acme_front"}},
		Services: types.Services{"db": service("db", "5432", "back"), "odoo": service("odoo", "8069", "back", "front")}}
}
