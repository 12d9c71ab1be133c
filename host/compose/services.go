package compose

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose/loading"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/yamlnode"
)

// addServices puts odpm.json's "services" into the document as they were
// written: they are the person's compose text, so their ${…} is interpolated.
func addServices(root *yaml.Node, p project.Project) error {
	services := yamlnode.Get(root, "services")
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if yamlnode.Get(services, name) != nil {
			return fmt.Errorf("odpm.json: services.%s has the name of a service that odpm writes itself: "+
				"give it another name, or put what it changes into docker-compose.override.yml", name)
		}
		def, ok := p.Services[name].(map[string]any)
		if !ok {
			return fmt.Errorf("odpm.json: services.%s is %T, expected an object with a compose service in it", name, p.Services[name])
		}
		def = physical(def, p)
		if _, err := checkService(name, def, p); err != nil {
			return err
		}
		var n yaml.Node
		if err := n.Encode(def); err != nil {
			return fmt.Errorf("odpm.json: services.%s: %w", name, err)
		}
		yamlnode.Set(services, name, &n)
		for _, v := range namedVolumes(def) {
			declareVolume(root, v)
		}
	}
	return nil
}

// physical gives a service with the names that the document has: odpm.json says
// "db" and "odoo" in depends_on, and ${@service:db} elsewhere, whatever a prefix
// or POSTGRES_SERVICE_NAME makes of them. A service of the person's own with such
// a name is meant itself.
func physical(def map[string]any, p project.Project) map[string]any {
	names := map[string]string{"odoo": p.OdooServiceName}
	if !p.External {
		names["db"] = p.ServiceName
	}
	for name := range p.Services {
		names[name] = name
	}
	out := named(def, names).(map[string]any)
	switch needs := out["depends_on"].(type) {
	case []any:
		for i, need := range needs {
			if name, ok := need.(string); ok && names[name] != "" {
				needs[i] = names[name]
			}
		}
	case map[string]any:
		for logical, name := range names {
			if need, ok := needs[logical]; ok && logical != name {
				delete(needs, logical)
				needs[name] = need
			}
		}
	}
	return out
}

// named copies a value with each ${@service:NAME} replaced.
func named(v any, names map[string]string) any {
	switch v := v.(type) {
	case string:
		for logical, name := range names {
			v = strings.ReplaceAll(v, "${@service:"+logical+"}", name)
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = named(item, names)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = named(item, names)
		}
		return out
	}
	return v
}

// ServiceWarnings tells which variables odpm.json's services use and nothing
// sets: compose makes them empty, and its own warning goes by unseen.
func ServiceWarnings(p project.Project) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		def, ok := p.Services[name].(map[string]any)
		if !ok {
			continue
		}
		// An error is Build's to tell.
		unset, _ := checkService(name, physical(def, p), p)
		for _, u := range unset {
			out = append(out, "odpm.json: services."+name+": "+u+` Set it in .env; write a dollar sign as "$$".`)
		}
	}
	return out
}

// checkService lets compose's own loader judge one service, so that a mistake
// in odpm.json is said to be there and not in the generated file. It gives the
// loader's words about variables that are not set.
func checkService(name string, def map[string]any, p project.Project) (unset []string, err error) {
	caught, release := loading.CatchLog()
	defer release()
	volumes := map[string]any{}
	for _, v := range namedVolumes(def) {
		volumes[v] = map[string]any{}
	}
	_, err = loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  p.Dir,
		Environment: maps.Clone(p.Env),
		ConfigFiles: []types.ConfigFile{{
			Filename: filepath.Join(p.Dir, "odpm.json"),
			Config:   map[string]any{"services": map[string]any{name: def}, "volumes": volumes},
		}},
	}, func(o *loader.Options) {
		o.SetProjectName("odpm", true)
		// Whether other services and env_file exist is for the whole document.
		o.SkipConsistencyCheck = true
		o.SkipResolveEnvironment = true
		o.SkipExtends = true
	})
	if err != nil {
		return nil, fmt.Errorf("odpm.json: services.%s: %w", name, err)
	}
	return caught.Unset, nil
}

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// namedVolumes are the volumes that a service uses by name. Compose wants them
// declared, and odpm.json has no place for that.
func namedVolumes(def map[string]any) []string {
	var names []string
	list, _ := def["volumes"].([]any)
	for _, item := range list {
		switch v := item.(type) {
		case string:
			if source, _, ok := strings.Cut(v, ":"); ok && volumeName.MatchString(source) {
				names = append(names, source)
			}
		case map[string]any:
			source, _ := v["source"].(string)
			if v["type"] == types.VolumeTypeVolume && volumeName.MatchString(source) {
				names = append(names, source)
			}
		}
	}
	return names
}

func declareVolume(root *yaml.Node, name string) {
	volumes := yamlnode.Get(root, "volumes")
	if volumes == nil {
		yamlnode.Set(root, "volumes", &yaml.Node{Kind: yaml.MappingNode})
		volumes = yamlnode.Get(root, "volumes")
		yamlnode.Order(root, "name", "services", "volumes", "secrets")
	}
	if yamlnode.Get(volumes, name) == nil {
		yamlnode.Set(volumes, name, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle})
	}
}
