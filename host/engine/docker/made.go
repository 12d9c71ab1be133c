package docker

import (
	"context"

	"github.com/odpm/odpm/host/engine"
)

// Made are the containers of the compose project by service, the newest of each,
// in any state.
func (e *Reader) Made(ctx context.Context) (map[string]engine.Made, error) {
	list, err := e.cl.all(ctx, "label="+labelProject+"="+e.o.Project)
	if err != nil {
		return nil, err
	}
	out, newest := map[string]engine.Made{}, map[string]string{}
	for _, c := range list {
		if c.service() == "" || c.oneOff() || c.Created < newest[c.service()] {
			continue
		}
		m := engine.Made{ID: c.ID, Name: c.name(), Image: c.Config.Image, Env: c.environ()}
		for _, x := range c.Mounts {
			at := engine.Mounted{Source: x.Source, Destination: x.Destination}
			if x.Type == "volume" {
				at = engine.Mounted{Volume: x.Name, Destination: x.Destination}
			}
			m.Mounts = append(m.Mounts, at)
		}
		out[c.service()], newest[c.service()] = m, c.Created
	}
	return out, nil
}

// Volumes are the names of all volumes.
func (e *Reader) Volumes(ctx context.Context) (map[string]bool, error) {
	var answer struct{ Volumes []volume }
	if err := e.cl.api.get(ctx, "volume ls", "/volumes", nil, &answer); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, v := range answer.Volumes {
		names[v.Name] = true
	}
	return names, nil
}
