// Package engines chooses a project's engine and opens it for looking. What
// acts is opened by engines/writers, for host/apply alone.
package engines

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/shell"
)

// What runs PostgreSQL, as in ODPM_RUNTIME.
const (
	Docker   = "docker"
	Native   = "native"
	External = "external"
)

// Readers look at a project's PostgreSQL and at the stack around it.
type Readers struct {
	// Kind is Docker, Native or External.
	Kind string
	// Server is nil where no engine was asked, or none answers. Own is the same
	// server where odpm runs it, nil for an external one; Stack is nil in native.
	Server engine.Server
	Own    engine.Reader
	Stack  engine.StackReader
	// At is where an external server is, found once: of a list of hosts the one
	// that takes writes.
	At external.Options
	// Err is why the engine does not answer.
	Err      error
	Warnings []string
}

// Options steer Open.
type Options struct {
	// NoDocker asks no Docker engine.
	NoDocker bool
}

// Open follows ODPM_RUNTIME. "auto" takes Docker where an engine answers, else
// native; a run remembers it once something was started: a Docker daemon that
// is down later must never lead to a second server on the same data.
func Open(ctx context.Context, in *inputs.Inputs, o Options) (*Readers, error) {
	r := &Readers{}
	answers, err := r.choose(ctx, in, o)
	if err != nil {
		return nil, err
	}
	switch r.Kind {
	case Docker:
		if o.NoDocker {
			r.Warnings = append(r.Warnings, "Docker was not asked, so containers, and a data directory that this user may not read, are unknown")
			return r, nil
		}
		if !answers {
			if r.Err = docker.Available(ctx); r.Err != nil {
				return r, ctx.Err()
			}
		}
		e := docker.NewReader(DockerOptions(in, in.Project.Name))
		r.Server, r.Own, r.Stack = e, e, e
	case Native:
		e := native.NewReader(NativeOptions(in, in.Project.DataDir, in.Project.PostgresPort, o.NoDocker))
		r.Server, r.Own = e, e
	case External:
		return r, r.external(ctx, in, o)
	}
	return r, nil
}

// external takes the server that odoo.conf names. Docker runs Odoo alone.
func (r *Readers) external(ctx context.Context, in *inputs.Inputs, o Options) error {
	p := in.Project
	if host, _ := in.ExternalAddress(); host == "" {
		return fmt.Errorf("%s: db_host is not set; with ODPM_POSTGRES=external it must say where PostgreSQL is", in.Rel(p.OdooConfPath))
	}
	// Which Odoo it is for is known at the end.
	defer func() {
		r.At = externalOptions(ctx, in, r.Stack)
		r.Server = external.NewReader(r.At)
	}()
	if o.NoDocker || p.Runtime == project.Native {
		return nil
	}
	if err := docker.Available(ctx); err != nil {
		if p.Runtime == project.Docker || len(p.OdooCommand) == 0 {
			r.Err = err
		}
		return ctx.Err()
	}
	r.Stack = docker.NewReader(DockerOptions(in, p.Name))
	return nil
}

// OdooHere tells whether Odoo runs on this machine itself, wherever PostgreSQL runs.
func (r *Readers) OdooHere(p *project.Project) bool {
	return r.Kind == Native || r.Kind == External && r.Stack == nil && len(p.OdooCommand) > 0
}

// Moment are the same readers for one look.
func (r *Readers) Moment() *Readers {
	next := *r
	if d, ok := r.Stack.(*docker.Reader); ok {
		m := d.Moment()
		next.Stack = m
		if r.Kind == Docker {
			next.Server, next.Own = m, m
		}
	}
	return &next
}

// choose sets Kind; answers tells that Docker was found to answer.
func (r *Readers) choose(ctx context.Context, in *inputs.Inputs, o Options) (answers bool, err error) {
	p := in.Project
	switch {
	case p.External:
		r.Kind = External
		return false, nil
	case p.Runtime == project.Docker, p.Runtime == project.Native:
		r.Kind = string(p.Runtime)
		return false, nil
	}
	file := filepath.Join(in.Dirs.State(), state.EngineFile)
	kind, err := in.Dirs.Remembered(state.EngineFile)
	if err != nil {
		return false, fmt.Errorf("could not read which engine this project uses: %w", err)
	}
	switch kind {
	case Docker, Native:
		r.Kind = kind
		return false, nil
	case "":
	default:
		return false, fmt.Errorf("%s holds %q; allowed: docker, native. Set ODPM_RUNTIME in .env, or remove the file: rm %s", file, kind, shell.Quote(file))
	}
	r.Kind = Docker
	if o.NoDocker {
		return false, nil
	}
	if docker.Available(ctx) == nil {
		return true, nil
	}
	if native.NewReader(NativeOptions(in, p.DataDir, p.PostgresPort, false)).Available(ctx) == nil {
		r.Kind = Native
		r.Warnings = append(r.Warnings, fmt.Sprintf("Docker does not answer, so PostgreSQL %d of this machine is used (ODPM_RUNTIME=auto)", p.PostgresMajor))
	}
	return false, nil
}

// OldNative is the server of another directory or port of this project's past.
func OldNative(in *inputs.Inputs, dataDir string, port int) engine.Reader {
	return native.NewReader(NativeOptions(in, dataDir, port, false))
}

// DockerAvailable tells whether Docker can be used; the error says what is
// missing and the next command.
func DockerAvailable(ctx context.Context) error { return docker.Available(ctx) }

// Container is what compose made of a service.
type Container = engine.Made

// Made are the containers of a compose project by service; nil where no engine
// answers.
func Made(ctx context.Context, project string) map[string]Container {
	if docker.Available(ctx) != nil {
		return nil
	}
	made, err := docker.NewReader(docker.Options{Project: project}).Made(ctx)
	if err != nil {
		return nil
	}
	return made
}

// Person is engine.Person for the engine that answers, the rootful one's where
// none does.
func Person(ctx context.Context) string {
	uid, rootless := os.Getuid(), false
	if uid != 0 && docker.Available(ctx) == nil {
		rootless, _ = docker.NewReader(docker.Options{}).Rootless(ctx)
	}
	return engine.Person(uid, os.Getgid(), rootless)
}

// Volumes are the names of the engine's volumes; nil where no engine answers.
func Volumes(ctx context.Context) map[string]bool {
	e := anyProject(ctx)
	if e == nil {
		return nil
	}
	names, err := e.Volumes(ctx)
	if err != nil {
		return nil
	}
	return names
}

// ImageEnv is the environment that an image sets, nil where it is not on this
// machine.
func ImageEnv(ctx context.Context, image string) map[string]string {
	e := anyProject(ctx)
	if image == "" || e == nil {
		return nil
	}
	conf, err := e.ImageConf(ctx, image)
	if err != nil {
		return nil
	}
	return conf.Env
}

// Engine is the engine that answers, without a project; nil where none does.
func Engine(ctx context.Context) engine.StackReader {
	if e := anyProject(ctx); e != nil {
		return e
	}
	return nil
}

func anyProject(ctx context.Context) *docker.Reader {
	if docker.Available(ctx) != nil {
		return nil
	}
	return docker.NewReader(docker.Options{})
}

// NativeAvailable tells whether PostgreSQL's own programs of the project's
// major are on this machine.
func NativeAvailable(ctx context.Context, p *project.Project) error {
	return native.NewReader(native.Options{DataDir: p.DataDir, Major: p.PostgresMajor, BinDir: p.Env["ODPM_PG_BINDIR"], BinDirFrom: "ODPM_PG_BINDIR"}).Available(ctx)
}

// NativeOptions are the project's on a data directory and a port.
func NativeOptions(in *inputs.Inputs, dataDir string, port int, noDocker bool) native.Options {
	p := in.Project
	o := native.Options{
		DataDir: dataDir, Major: p.PostgresMajor, Bind: p.PostgresBind, Port: port,
		StateDir: in.Dirs.State(), AppRole: p.AppRole, BinDir: p.Env["ODPM_PG_BINDIR"], BinDirFrom: "ODPM_PG_BINDIR",
		Password: func() (string, error) { return in.Dirs.Secret(state.BootstrapSecret) },
	}
	if !noDocker {
		o.ContainerHolders = docker.ContainerHolders
	}
	return o
}

// Throwaway is a cluster of its own on this machine, for a rehearsal: of any
// major, on the loopback interface, with nothing of the project in it.
func Throwaway(dataDir, stateDir, binDir string, major, port int, appRole, password string) engine.Writer {
	return native.New(native.Options{DataDir: dataDir, Major: major, Bind: "127.0.0.1", Port: port, BinDir: binDir, BinDirFrom: "--pg-bindir", StateDir: stateDir,
		AppRole: appRole, Password: func() (string, error) { return password, nil }})
}

// ThrowawayAvailable says what this machine lacks for one.
func ThrowawayAvailable(ctx context.Context, major int) error {
	return native.NewReader(native.Options{Major: major}).Available(ctx)
}

// ThrowawayContainer is such a cluster in a container of the project's Docker
// engine; dir is a directory of its own.
func ThrowawayContainer(in *inputs.Inputs, dir string, major int) *docker.Throwaway {
	return docker.NewThrowaway(dir, major, in.ComposeEnv())
}

// DockerAnswers says why no Docker engine can be used, nil where one can.
func DockerAnswers(ctx context.Context) error { return docker.Available(ctx) }

// DockerOptions are the project's under a compose project name.
func DockerOptions(in *inputs.Inputs, name string) docker.Options {
	p := in.Project
	o := docker.Options{
		Dir: in.StackDir(), Project: name, Files: in.ComposeFiles, Own: in.ComposePath(),
		Service: p.ServiceName, OdooService: p.OdooServiceName, VolumeName: p.VolumeName,
		DataDir: p.DataDir, DataVolume: p.DataVolume, Image: in.PostgresImage, Major: p.PostgresMajor,
		Env: in.ComposeEnv(), Known: knownImages(in.Dirs),
	}
	if p.DataSubdir != "" {
		o.PGData = p.PGData()
	}
	if in.Kept != nil {
		o.DataTarget, o.PGData = in.Kept.Postgres.Target, in.Kept.Postgres.PGData
	}
	return o
}
