package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/odpm/odpm/shared/durable"
)

// upFile remembers under .odpm/state what the last `docker compose up` was
// given and what it made. The hand-off's id covers only what a login depends
// on: without this a changed ODOO_PORT, an edited override or another service
// in odpm.json would be written and never reach a container.
const upFile = "up.json"

// broughtUp is the content of upFile.
type broughtUp struct {
	// Config is a hash of compose's resolved document.
	Config string `json:"config"`
	// Services are compose's own hashes, as the containers carry them.
	Services map[string]string `json:"services"`
}

// stale says why the containers that run are not what the compose files say,
// "" if they are. A record that is missing or cannot be read is no proof.
func (s *Session) stale(ctx context.Context) (string, error) {
	was, err := s.readBroughtUp()
	if err != nil || was.Config == "" {
		return "what runs was not started by this odpm", nil
	}
	config, err := s.config(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		// Told as a problem of the project, or by compose.validate.
		return "docker compose does not accept the project's files", nil
	}
	if digest(config) != was.Config {
		return "the compose files changed since the containers were started", nil
	}
	now, err := s.composeHashes(ctx)
	if err != nil {
		return "", err
	}
	for _, service := range slices.Sorted(maps.Keys(was.Services)) {
		switch hash, ok := now[service]; {
		case !ok:
			return "service " + service + " has no container", nil
		case hash != was.Services[service]:
			return "service " + service + " runs as other compose files say", nil
		}
	}
	return "", nil
}

// config is compose's document of the files as they are, asked for once.
func (s *Session) config(ctx context.Context) ([]byte, error) {
	if s.resolved != nil {
		return s.resolved, nil
	}
	config, err := s.Stack.Config(ctx)
	if err == nil {
		s.resolved = config
	}
	return config, err
}

// composeHashes are the hashes of the project's containers by service.
func (s *Session) composeHashes(ctx context.Context) (map[string]string, error) {
	all, err := s.Stack.Containers(ctx, s.Project.Name)
	if err != nil {
		return nil, err
	}
	hashes := map[string]string{}
	for _, c := range all {
		if c.Service != "" && !c.OneOff {
			hashes[c.Service] = c.ConfigHash
		}
	}
	return hashes, nil
}

// composeAccepts lets compose itself judge the files as this run would leave
// them, before anything is written: an override that compose refuses would
// otherwise be noticed with half of the work done.
func (s *Session) composeAccepts(ctx context.Context) error {
	if s.Stack == nil {
		return nil
	}
	current := s.Project.KeepCompose
	if !current {
		_, changed, err := fileChange(s.composePath(), s.want.compose)
		if err != nil {
			return err
		}
		current = !changed
	}
	if _, changed, err := s.envChange(); err != nil || changed {
		// env_file is not there yet, or another.
		return err
	}
	var err error
	switch {
	case current:
		_, err = s.config(ctx)
	case len(s.composeFiles()) > 1:
		err = s.Stack.Validate(ctx, s.want.compose)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("docker compose does not accept the project's files: %w", err)
	}
	return err
}

func (s *Session) readBroughtUp() (broughtUp, error) {
	var b broughtUp
	data, err := os.ReadFile(filepath.Join(s.Dirs.State(), upFile))
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(data, &b)
}

// rememberUp records what an `up` that succeeded has made.
func (s *Session) rememberUp(ctx context.Context) error {
	config, err := s.config(ctx)
	if err != nil {
		return err
	}
	b := broughtUp{Config: digest(config)}
	if b.Services, err = s.composeHashes(ctx); err != nil {
		return err
	}
	return s.writeBroughtUp(b)
}

func (s *Session) writeBroughtUp(b broughtUp) error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(s.Dirs.State(), upFile), append(data, '\n'), 0o600)
}

// digest keeps the secrets of a resolved document out of the record.
func digest(config []byte) string {
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:])
}
