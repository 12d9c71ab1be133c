package plan

import (
	"errors"
	"fmt"
)

// noEngine is the error of work that needs a server where none may be asked.
func (s *Session) noEngine() error {
	if s.Observed.EngineError != "" {
		return errors.New(s.Observed.EngineError)
	}
	return errors.New("no engine was asked; leave --plan-no-docker out")
}

func (s *Session) notRunning(why string) error {
	return fmt.Errorf("PostgreSQL does not run: %s. Start it: odpm", why)
}

// useExternal is for ODPM_POSTGRES=external.
func (s *Session) useExternal() error { return nil }
