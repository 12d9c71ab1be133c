package compose

import (
	"path"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project"
)

// initdbArgs apply to a new cluster only: SCRAM where initdb's default would be
// md5 (12, 13), and checksums where they are not yet the default (up to 17).
const initdbArgs = "--auth-host=scram-sha-256 --data-checksums"

// ServerCommand reaches a cluster that was made elsewhere: only the image's own
// initdb writes listen_addresses = '*', PostgreSQL's default is localhost, which
// is nobody's but the container's, and a port of its own in postgresql.conf would
// be another than the published one. During a first start the image's entrypoint
// puts an empty listen_addresses behind it.
var ServerCommand = types.ShellCommand{"postgres", "-c", "listen_addresses=*", "-c", "port=" + itoa(PostgresPort)}

func postgresService(s Spec) types.ServiceConfig {
	p := s.Project
	env := map[string]string{
		// A person with POSTGRES_USER=odoo makes Odoo's role the bootstrap
		// superuser, which PostgreSQL 16 and newer refuses to demote.
		"POSTGRES_USER":        "postgres",
		"POSTGRES_DB":          "postgres",
		"POSTGRES_INITDB_ARGS": initdbArgs,
	}
	if at := p.PGData(); p.DataSubdir != "" || s.ImagePGData != "" && path.Clean(s.ImagePGData) != at {
		// Images of others (bitnami, timescaledb-ha) keep their data elsewhere: the
		// server would make a new cluster in an anonymous volume beside the mount.
		env["PGDATA"] = at
	}
	var svc types.ServiceConfig
	svc.Image = postgresImage(p)
	svc.Command = ServerCommand
	svc.Restart = restart(p)
	svc.Ports = []types.ServicePortConfig{publish(postgresBind(p), p.PostgresPort, PostgresPort)}
	svc.Volumes = []types.ServiceVolumeConfig{{
		Type: types.VolumeTypeVolume, Source: p.VolumeName, Target: datadir.MountTarget(p.PostgresMajor),
	}}
	svc.HealthCheck = &types.HealthCheckConfig{
		// Over TCP: the server of the image's first-init phase listens on the
		// socket only (docker-library/postgres#146). The application role is
		// named because a login name that does not exist is a line in the
		// server's log at every check.
		Test:     types.HealthCheckTest{"CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-p", itoa(PostgresPort), "-U", appRole(p), "-d", "postgres"},
		Interval: duration(5 * time.Second),
		Timeout:  duration(5 * time.Second),
		Retries:  new(uint64(24)),
		// Crash recovery of a big cluster is not ill health.
		StartPeriod: duration(5 * time.Minute),
	}
	// Docker's ten seconds end in SIGKILL, and the next start in crash recovery.
	svc.StopGracePeriod = duration(2 * time.Minute)
	// Parallel queries allocate here; with Docker's 64 MB they fail with
	// "could not resize shared memory segment".
	svc.ShmSize = 1 << 30
	if s.PostgresPasswordFile != "" {
		env["POSTGRES_PASSWORD_FILE"] = PostgresPasswordTarget
		svc.Secrets = []types.ServiceSecretConfig{{Source: PostgresSecret}}
	}
	svc.Environment = environment(env)
	return svc
}

func postgresVolume(p project.Project) types.VolumeConfig {
	if p.DataVolume != "" {
		return types.VolumeConfig{External: true, Name: p.DataVolume}
	}
	return types.VolumeConfig{
		Driver:     "local",
		DriverOpts: types.Options{"type": "none", "o": "bind", "device": p.DataDir},
	}
}

func postgresImage(p project.Project) string {
	if p.PostgresImage != "" {
		return p.PostgresImage
	}
	return "postgres:" + p.PostgresVersion
}

func postgresBind(p project.Project) string {
	if p.PostgresBind != "" {
		return p.PostgresBind
	}
	return "127.0.0.1"
}

func appRole(p project.Project) string {
	if p.AppRole != "" {
		return p.AppRole
	}
	return "odoo"
}

func duration(d time.Duration) *types.Duration { return new(types.Duration(d)) }
