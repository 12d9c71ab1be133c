package plan

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// EngineFile remembers which engine a project was started with.
const EngineFile = "engine"

const (
	dockerEngine   = "docker"
	nativeEngine   = "native"
	externalEngine = "external"
)

// chooseEngine follows ODPM_RUNTIME. "auto" takes Docker where an engine
// answers, else native, and remembers it once something was started: a Docker
// daemon that is down later must never lead to a second server on the same
// data.
func (s *Session) chooseEngine(ctx context.Context) error {
	if s.Term != nil && s.Term.ErrTTY && !s.NoDocker {
		// Docker may take a second to answer; a person sees at once that
		// something happens.
		s.Term.Step("looking at %s", ui.Clean(s.Project.Dir))
	}
	kind, err := s.engineKind(ctx)
	if err != nil {
		return err
	}
	s.EngineKind = kind
	switch kind {
	case dockerEngine:
		if s.NoDocker {
			s.Warnings = append(s.Warnings, "Docker was not asked: containers, and a data directory that this user may not read, are unknown")
			return nil
		}
		if err := docker.Available(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.Observed.EngineError = err.Error()
			s.Problems = append(s.Problems, err)
			return nil
		}
		e := docker.New(s.dockerOptions())
		s.PG, s.own, s.Stack = e, e, e
	case nativeEngine:
		e := native.New(s.nativeOptions(s.Project.DataDir, s.Project.PostgresPort))
		s.PG, s.own = e, e
	case externalEngine:
		return s.useExternal(ctx)
	}
	return nil
}

func (s *Session) engineKind(ctx context.Context) (string, error) {
	p := s.Project
	if p.External {
		return externalEngine, nil
	}
	switch p.Runtime {
	case project.Docker:
		return dockerEngine, nil
	case project.Native:
		return nativeEngine, nil
	}
	kind, err := s.Dirs.Remembered(EngineFile)
	if err != nil {
		return "", fmt.Errorf("which engine this project uses is not readable: %w", err)
	}
	switch kind {
	case dockerEngine, nativeEngine:
		return kind, nil
	case "":
	default:
		return "", fmt.Errorf("%s holds %q; allowed: docker, native. Set ODPM_RUNTIME in .env, or remove the file: rm %s",
			filepath.Join(s.Dirs.State(), EngineFile), kind, shell.Quote(filepath.Join(s.Dirs.State(), EngineFile)))
	}
	if s.NoDocker {
		return dockerEngine, nil
	}
	noDocker := docker.Available(ctx)
	if noDocker == nil {
		return dockerEngine, nil
	}
	if native.New(s.nativeOptions(p.DataDir, p.PostgresPort)).Available(ctx) == nil {
		s.Warnings = append(s.Warnings, fmt.Sprintf("Docker does not answer, so PostgreSQL %d of this machine is used (ODPM_RUNTIME=auto)", p.PostgresMajor))
		return nativeEngine, nil
	}
	return dockerEngine, nil
}

// rememberEngine is called before the first start.
func (s *Session) rememberEngine() error {
	if s.EngineKind == externalEngine {
		return nil
	}
	return s.Dirs.Remember(EngineFile, s.EngineKind)
}

func (s *Session) nativeOptions(dataDir string, port int) native.Options {
	p := s.Project
	o := native.Options{
		DataDir: dataDir, Major: p.PostgresMajor, Bind: p.PostgresBind, Port: port,
		StateDir: s.Dirs.State(), AppRole: p.AppRole, BinDir: p.Env["ODPM_PG_BINDIR"],
		Password: func() (string, error) { return s.Dirs.Secret(bootstrapSecret) },
	}
	if !s.NoDocker {
		o.ContainerHolders = docker.ContainerHolders
	}
	return o
}

func (s *Session) dockerOptions() docker.Options {
	p := s.Project
	image := cmp.Or(s.postgresImage, p.PostgresImage)
	return docker.Options{
		Dir: s.stackDir(), Project: p.Name, Files: s.composeFiles(),
		Service: p.ServiceName, OdooService: p.OdooServiceName, VolumeName: p.VolumeName,
		DataTarget: s.keptTarget(), PGData: s.keptPGData(),
		DataDir: p.DataDir, DataVolume: p.DataVolume, Image: image, Major: p.PostgresMajor,
		Env: s.composeEnv(), Notify: func(line string) { s.Term.Step("%s", line) },
	}
}

// composeFiles are named one by one: an explicit -f alone would drop the
// override.
func (s *Session) composeFiles() []string {
	if s.kept != nil {
		return s.kept.Files
	}
	files := []string{s.composePath()}
	for _, name := range []string{"docker-compose.override.yml", "docker-compose.override.yaml", "compose.override.yml", "compose.override.yaml"} {
		path := filepath.Join(s.Project.Dir, name)
		if _, err := os.Stat(path); err == nil {
			return append(files, path)
		}
	}
	return files
}

// stackDir is compose's project directory: the files' relative paths start
// there. A kept file that COMPOSE_FILE names may lie in a directory below.
func (s *Session) stackDir() string {
	if s.kept != nil {
		return s.kept.Dir
	}
	return s.Project.Dir
}

func (s *Session) keptTarget() string {
	if s.kept == nil {
		return ""
	}
	return s.kept.Postgres.Target
}

func (s *Session) keptPGData() string {
	if s.kept == nil {
		return ""
	}
	return s.kept.Postgres.PGData
}

func (s *Session) composePath() string {
	return filepath.Join(s.Project.Dir, compose.FileName)
}

// composeEnv is what compose interpolates with: the same layers that odpm
// reads, which compose would not know of (~/.odpm/.env).
func (s *Session) composeEnv() []string {
	var env []string
	for k, v := range s.Project.Env {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	return env
}
