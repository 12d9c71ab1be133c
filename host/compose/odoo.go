package compose

import (
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/handoff"
)

// HostGateway is the name by which a container reaches a server on the host
// itself; on Linux it exists only where it is asked for.
const HostGateway = "host.docker.internal"

func odooService(s Spec) types.ServiceConfig {
	p := s.Project
	image := s.OdooImage
	if image == "" {
		image = p.OdooImage
	}
	env := map[string]string{
		// The official image sets it, one's own image perhaps not.
		"ODOO_RC": OdooConfTarget,
	}
	if s.HandoffID != "" {
		env[handoff.EnvID] = s.HandoffID
	}
	if s.User != "" {
		// A uid without a passwd entry has no home and no name, and Odoo asks
		// for both. LOGNAME, not USER: the official entrypoint takes USER for
		// the database role.
		env["HOME"] = OdooDataTarget
		env["LOGNAME"] = "odoo"
	}
	var svc types.ServiceConfig
	svc.Image = image
	svc.User = s.User
	svc.Entrypoint = types.ShellCommand(s.Entrypoint)
	svc.Command = types.ShellCommand(s.OdooCommand())
	svc.Restart = restart(p)
	svc.Environment = environment(env)
	http, gevent := s.OdooPorts()
	svc.Ports = []types.ServicePortConfig{publish(OdooBind(p), p.OdooPort, http), publish(OdooBind(p), p.GeventPort, gevent)}
	svc.Volumes = odooMounts(s)
	// Workers finish their request and the cron its job.
	svc.StopGracePeriod = duration(30 * time.Second)
	if s.OdooEnvFile != "" {
		svc.EnvFiles = []types.EnvFile{{Path: HostPath(p.Dir, s.OdooEnvFile), Required: types.OptOut(!s.OdooEnvMissing)}}
	}
	if p.External {
		svc.ExtraHosts = types.HostsList{HostGateway: []string{"host-gateway"}}
	} else {
		svc.DependsOn = types.DependsOnConfig{
			p.ServiceName: {Condition: types.ServiceConditionHealthy, Required: true},
		}
	}
	return svc
}

func odooMounts(s Spec) []types.ServiceVolumeConfig {
	p := s.Project
	var mounts []types.ServiceVolumeConfig
	if !s.NoOdooConf {
		conf := p.OdooConfPath
		if conf == "" {
			conf = filepath.Join(p.Dir, "odoo.conf")
		}
		mounts = append(mounts, bind(HostPath(p.Dir, conf), OdooConfTarget, true))
	}
	data := p.OdooDataDir
	if data == "" {
		data = "data/odoo"
	}
	mounts = append(mounts, bind(HostPath(p.Dir, data), OdooDataTarget, false))
	if p.FilestoreDir != "" {
		mounts = append(mounts, bind(HostPath(p.Dir, p.FilestoreDir), FilestoreTarget, false))
	}
	for _, name := range slices.Sorted(maps.Keys(p.FilestoreDirs)) {
		mounts = append(mounts, bind(HostPath(p.Dir, p.FilestoreDirs[name]), FilestoreTarget+"/"+name, false))
	}
	if p.AddonsDir != "" {
		mounts = append(mounts, bind(HostPath(p.Dir, p.AddonsDir), AddonsTarget, true))
	}
	return append(mounts,
		// The directory, because a bind-mounted file goes stale on rename.
		bind("./"+handoff.HostRuntimeDir, handoff.RuntimeDir, true),
		bind("./"+handoff.HostDatabaseDir, handoff.DatabaseDir, false),
	)
}
