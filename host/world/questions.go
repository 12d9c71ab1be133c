package world

import (
	"github.com/odpm/odpm/host/engine"
)

// Questions are what a plan must know before it can be made, beyond what every
// look asks: they cost a program or a container, and most runs need none.
type Questions struct {
	// Config asks compose to judge the files; each is a candidate that stands for
	// docker-compose.yml, nil for the files as they are.
	Config [][]byte
	Access *AccessQuestion
	Ports  []PortQuestion
	// RoleSQL asks what the role lacks.
	RoleSQL bool
}

// Empty tells that everything is known.
func (q Questions) Empty() bool {
	return len(q.Config) == 0 && q.Access == nil && len(q.Ports) == 0 && !q.RoleSQL
}

// AccessQuestion asks whether a user can use what is mounted for it.
type AccessQuestion struct {
	Image, User string
	Paths       []engine.Access
}

// PortQuestion asks about a TCP port of this machine.
type PortQuestion struct {
	Bind string
	Port int
}

// Answers are to Questions; what was not asked is missing.
type Answers struct {
	// Configs are by candidate, "" for the files as they are.
	Configs map[string]Config
	Access  *Access
	Ports   map[PortQuestion]Port
	RoleSQL *RoleSQL
}

// Config is compose's judgement. Digest stands for the resolved document, which
// holds secrets; Err is why compose does not accept the files.
type Config struct {
	Digest string
	// Inputs is ConfigInputs, for the files as they are.
	Inputs string
	Err    error
}

// Access is what a user of an image cannot do with the mounts.
type Access struct {
	// Who is "uid:gid".
	Who      string
	Problems []string
}

// Port says who has a port.
type Port struct {
	Free bool
	// Container publishes it; Owner is who else has it, in words.
	Container, Owner string
	// Next is a port that is free.
	Next int
}

// RoleSQL are the statements that would make the role as the project wants it.
type RoleSQL struct{ Lines []string }

// ConfigOf is the answer about a candidate.
func (a Answers) ConfigOf(candidate []byte) (Config, bool) {
	c, ok := a.Configs[string(candidate)]
	return c, ok
}
