package plan

import "context"

// readKept reads a person's own compose file (ODPM_COMPOSE=keep).
func (s *Session) readKept(context.Context) error { return nil }
