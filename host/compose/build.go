package compose

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/project"
)

// Build makes the compose document. The same Spec always gives the same bytes.
// Nothing secret is in it: passwords stay in files that it names.
func Build(s Spec) ([]byte, error) {
	if err := check(s); err != nil {
		return nil, err
	}
	doc := &types.Project{Services: types.Services{}}
	if s.Project.Prefix != "" {
		// So that a plain `docker compose` in the directory means the same stack.
		doc.Name = s.Project.Name
	}
	if s.Project.Network != "" {
		doc.Networks = types.Networks{"default": {Name: s.Project.Network, External: types.External(s.Project.NetworkExternal)}}
	}
	if !s.Project.External {
		doc.Services[s.Project.ServiceName] = postgresService(s)
		doc.Volumes = types.Volumes{s.Project.VolumeName: postgresVolume(s.Project)}
		if s.PostgresPasswordFile != "" {
			doc.Secrets = types.Secrets{PostgresSecret: types.SecretConfig{
				File: HostPath(s.Project.Dir, s.PostgresPasswordFile),
			}}
		}
	}
	doc.Services[s.Project.OdooServiceName] = odooService(s)
	for _, svc := range doc.Services {
		label(s.Project, svc.Volumes)
	}

	root, err := node(doc)
	if err != nil {
		return nil, err
	}
	if err := addServices(root, s.Project); err != nil {
		return nil, err
	}
	return render(root)
}

// check refuses what would make a document that compose accepts and nobody
// wants.
func check(s Spec) error {
	p := s.Project
	missing := func(what string) error { return fmt.Errorf("compose document: %s is not set", what) }
	switch {
	case p.OdooServiceName == "":
		return missing("the Odoo service's name")
	case s.OdooImage == "" && p.OdooImage == "":
		return missing("the Odoo image")
	case p.External:
		return nil
	case p.ServiceName == "":
		return missing("the PostgreSQL service's name")
	case p.ServiceName == p.OdooServiceName:
		return fmt.Errorf("the PostgreSQL service and the Odoo service are both called %q: choose another POSTGRES_SERVICE_NAME in .env", p.ServiceName)
	case p.VolumeName == "":
		return missing("the PostgreSQL volume's name")
	case p.DataDir == "" && p.DataVolume == "":
		return missing("the PostgreSQL data directory")
	case p.PostgresImage == "" && p.PostgresVersion == "":
		return missing("the PostgreSQL version")
	}
	return nil
}

// restart is what becomes of a container that ends: a server comes back after
// a reboot, a developer wants to see why it ended.
func restart(p project.Project) string {
	if p.Scenario == project.Server {
		return types.RestartPolicyUnlessStopped
	}
	return types.RestartPolicyNo
}

func publish(bind string, published, target int) types.ServicePortConfig {
	return types.ServicePortConfig{HostIP: bind, Published: itoa(published), Target: uint32(target), Protocol: "tcp"}
}

// bind mounts a path that must exist: Docker would create a missing one as
// root, and the error would come up much later.
func bind(source, target string, readOnly bool) types.ServiceVolumeConfig {
	return types.ServiceVolumeConfig{
		Type: types.VolumeTypeBind, Source: source, Target: target, ReadOnly: readOnly,
		Bind: &types.ServiceVolumeBind{CreateHostPath: false},
	}
}

// label gives mounts of directories the label that a container may read where
// SELinux is enforced. It is the shared one (z, never Z): a one-off Odoo mounts the
// same as the one that runs. Volumes that Docker keeps itself have it.
func label(p project.Project, mounts []types.ServiceVolumeConfig) {
	for i, v := range mounts {
		switch {
		case p.SELinux == "" || v.Type == types.VolumeTypeVolume && p.DataVolume != "":
		case v.Bind == nil:
			mounts[i].Bind = &types.ServiceVolumeBind{CreateHostPath: true, SELinux: p.SELinux}
		default:
			v.Bind.SELinux = p.SELinux
		}
	}
}

func environment(kv map[string]string) types.MappingWithEquals {
	m := types.MappingWithEquals{}
	for k, v := range maps.All(kv) {
		m[k] = &v
	}
	return m
}

func itoa(n int) string { return strconv.Itoa(n) }
