package docker

import (
	"context"
	"maps"
	"slices"

	"github.com/odpm/odpm/host/engine"
)

// Build makes an image. Without the buildx plugin the classic builder does it:
// the client would otherwise refuse or warn, depending on its version.
func (e *Engine) Build(ctx context.Context, b engine.Build) error {
	args := []string{"build", "-t", b.Tag}
	cl := e.cl
	cl.env = slices.Clone(cl.env)
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		// By name: a proxy's URL may carry a password.
		args = append(args, "--build-arg", name)
		cl.env = append(cl.env, name+"="+b.Args[name])
	}
	if _, err := e.cl.output(ctx, "buildx", "version"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		cl.env = append(cl.env, "DOCKER_BUILDKIT=0")
	} else {
		args = append(args, "--progress", "plain")
	}
	return cl.stream(ctx, b.Out, append(args, b.Dir)...)
}

// BuildService makes the image of a service that the compose file builds.
func (e *Engine) BuildService(ctx context.Context, service string) error {
	return e.cl.stream(ctx, nil, e.compose("build", service)...)
}
