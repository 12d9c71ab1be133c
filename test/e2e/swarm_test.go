//go:build swarm

package e2e

import "testing"

// TestSwarm makes this machine's engine a swarm, and leaves it afterwards. It
// is outside of the ordinary tests: while a swarm comes and goes, names in
// other networks of the engine may not resolve for a moment.
func TestSwarm(t *testing.T) { scripts(t, "testdata/swarm") }
