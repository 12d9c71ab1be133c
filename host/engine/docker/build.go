package docker

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

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
	tries := 1
	if _, err := e.cl.output(ctx, "buildx", "version"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		tries = classicTries
		// --force-rm: a build that fails leaves a container otherwise.
		args, cl.env = append(args, "--force-rm"), append(cl.env, "DOCKER_BUILDKIT=0")
	} else {
		args = append(args, "--progress", "plain")
	}
	for try := 1; ; try++ {
		if err := cl.stream(ctx, b.Out, append(args, b.Dir)...); try == tries || !layerGone(err) {
			return err
		}
	}
}

// classicTries is how often the classic builder begins a build.
const classicTries = 5

// layerGone: the classic builder took a layer from its cache that somebody else removed
// meanwhile, by `docker image prune`, or by removing an image that had it, too. It has
// half a dozen sentences for that ("unknown parent image ID sha256:…", "unable to find
// image"), all of which name an image by its ID; a Dockerfile names a digest, behind an @.
// The next build makes the layer anew. What a step itself says, or why one failed, stands
// in other lines, and is nothing to try again.
func layerGone(err error) bool {
	var f *Failure
	if !errors.As(err, &f) {
		return false
	}
	said := strings.TrimSpace(f.Stderr)
	said = said[strings.LastIndexByte(said, '\n')+1:]
	return byID.MatchString(said) && !strings.HasPrefix(said, "The command '")
}

var byID = regexp.MustCompile(`(^|[^@])sha256:[0-9a-f]{64}`)

// BuildService makes the image of a service that the compose file builds.
func (e *Engine) BuildService(ctx context.Context, service string) error {
	return e.cl.stream(ctx, nil, e.compose("build", service)...)
}
