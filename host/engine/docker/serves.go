package docker

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Serves follows the server's data directory through the container's mounts.
// An image may keep its data elsewhere than the compose file mounts them (ENV
// PGDATA of its own): the container then has the data mounted, and the server
// has made another cluster in an anonymous volume.
func (e *Reader) Serves(ctx context.Context, dataDirectory string) (ok bool, where string, err error) {
	c, err := e.running(ctx)
	if err != nil {
		return false, "", err
	}
	if dataDirectory == "" {
		if dataDirectory = c.env("PGDATA"); dataDirectory == "" {
			dataDirectory = e.pgdata()
		}
	}
	m := c.mountOf(dataDirectory)
	if m == nil {
		return false, fmt.Sprintf("%s in container %s, which is not a mount", dataDirectory, c.name()), nil
	}
	d, err := e.data(ctx)
	if err != nil {
		return false, "", err
	}
	rel := strings.TrimPrefix(path.Clean(dataDirectory), path.Clean(m.Destination))
	sources := []string{m.Source}
	where = filepath.Join(m.Source, rel)
	if m.Type == "volume" {
		where = fmt.Sprintf("volume %s (%s in container %s)", m.Name, dataDirectory, c.name())
		for _, name := range d.volumes {
			if name == m.Name {
				return true, where, nil
			}
		}
		devices, err := e.cl.devices(ctx, c.Mounts...)
		if err != nil {
			return false, where, err
		}
		if dev := devices[m.Name]; dev != "" {
			sources, where = append(sources, dev), filepath.Join(dev, rel)
		}
	}
	for _, s := range sources {
		if s == "" {
			continue
		}
		for _, p := range d.places {
			if relate(newPlace(filepath.Join(s, rel)), p) == within {
				return true, where, nil
			}
		}
	}
	return false, where, nil
}

// mountOf is the mount that a path inside the container lies in, nil for none.
func (c container) mountOf(inside string) *mount {
	var best *mount
	inside = path.Clean(inside)
	for i, m := range c.Mounts {
		at := path.Clean(m.Destination)
		if (inside == at || strings.HasPrefix(inside, strings.TrimSuffix(at, "/")+"/")) && (best == nil || len(at) > len(path.Clean(best.Destination))) {
			best = &c.Mounts[i]
		}
	}
	return best
}
