package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
)

// Acceptance is a drift that a person accepted, with both values: it counts
// until the next proven login, or until one of them is another.
type Acceptance struct {
	Kind     string    `json:"kind"`
	Previous string    `json:"previous"`
	Current  string    `json:"current"`
	At       time.Time `json:"accepted_at"`
}

// Acceptances reads what was accepted; nothing where there is no file.
func (d Dirs) Acceptances() ([]Acceptance, error) {
	path := filepath.Join(d.State(), AcceptedFile)
	data, err := d.Read(AcceptedFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var all []Acceptance
	if err == nil {
		err = jsonpos.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("what was accepted before could not be read, so odpm asks again (%w); %s", err, MoveAside(path))
	}
	return all, nil
}

// KeepAcceptances writes them; without any the file goes.
func (d Dirs) KeepAcceptances(all []Acceptance) error {
	path := filepath.Join(d.State(), AcceptedFile)
	if len(all) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}
