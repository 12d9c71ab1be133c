package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
)

// registryTime is how long a registry may take. An engine without a network finds
// out at once, one behind a firewall that drops packets after half a minute.
const registryTime = 10 * time.Second

// Offered asks the engine to ask (GET /distribution/{name}/json): its mirrors,
// proxies and insecure registries are those of a pull.
func (e *Reader) Offered(ctx context.Context, ref string) error {
	asking, cancel := context.WithTimeout(ctx, registryTime)
	defer cancel()
	var offer struct {
		Platforms []struct {
			Architecture string `json:"architecture"`
			OS           string `json:"os"`
		}
	}
	err := e.cl.api.get(asking, "manifest inspect", "/distribution/"+ref+"/json", nil, &offer)
	var failed *Failure
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case asking.Err() != nil:
		return fmt.Errorf("%w within %s", engine.ErrNoRegistry, registryTime)
	case errors.As(err, &failed) && !e.cl.api.docker():
		// Podman has no such question.
		return fmt.Errorf("%w: this engine cannot ask a registry", engine.ErrNoRegistry)
	case errors.As(err, &failed) && failed.HTTP == http.StatusNotFound:
		return fmt.Errorf("%w: %s", engine.ErrNoImage, failed.Stderr)
	case errors.As(err, &failed) && (failed.HTTP == http.StatusUnauthorized || failed.HTTP == http.StatusForbidden):
		return fmt.Errorf("%w: %s", engine.ErrRegistryLogin, failed.Stderr)
	case errors.As(err, &failed):
		return fmt.Errorf("%w: %s", engine.ErrNoRegistry, failed.Stderr)
	case err != nil:
		return err
	}
	var mine struct {
		Os, Arch string
	}
	if err := e.cl.api.get(ctx, "version", "/version", nil, &mine); err != nil {
		return err
	}
	var all []string
	for _, p := range offer.Platforms {
		// A manifest without a platform, as an attestation has it, is no image.
		if p.OS != "" && p.OS != "unknown" {
			all = append(all, p.OS+"/"+p.Architecture)
		}
	}
	if len(all) > 0 && !slices.Contains(all, mine.Os+"/"+mine.Arch) {
		return fmt.Errorf("%w for %s/%s, which this engine runs: it is for %s", engine.ErrNoImage, mine.Os, mine.Arch, strings.Join(all, ", "))
	}
	return nil
}
