package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/datadir"
)

// Throwaway is a PostgreSQL in a container that nobody but this engine's client
// reaches, with a volume of its own; Discard removes all of it.
type Throwaway struct {
	*Engine
	dir string
}

// NewThrowaway is one by its directory, where its compose file is or will be; the
// directory's name is the name of the compose project. env is Options.Env.
func NewThrowaway(dir string, major int, env []string) *Throwaway {
	name := filepath.Base(dir)
	return &Throwaway{New(Options{Dir: dir, Project: name, Files: []string{filepath.Join(dir, "compose.yml")}, Service: "db",
		Env: env, VolumeName: "data", DataVolume: name + "_data", Major: major}), dir}
}

// Make writes the compose file; nothing is started.
func (t *Throwaway) Make(image, password string) error {
	// JSON is YAML, too.
	doc, err := json.Marshal(map[string]any{
		"services": map[string]any{"db": map[string]any{
			"image": image, "network_mode": "none", "restart": "no", "shm_size": "1g",
			"environment": map[string]string{"POSTGRES_PASSWORD": password},
			"volumes":     []string{"data:" + datadir.MountTarget(t.o.Major)},
		}},
		"volumes": map[string]any{"data": nil},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(t.o.Files[0], doc, 0o600)
}

// Discard removes container and volume. Data that nobody wants need no shutdown.
func (t *Throwaway) Discard(ctx context.Context) error {
	if _, err := os.Stat(t.o.Files[0]); err != nil {
		return err
	}
	if err := t.cl.stream(ctx, nil, t.compose("down", "--volumes", "--timeout", "2")...); err != nil {
		return fmt.Errorf("remove the throwaway container: %w", err)
	}
	return nil
}
