// Package docker runs the project's PostgreSQL through the Docker engine's own
// command line, `docker` and `docker compose`: contexts, remote engines, proxies
// and credentials then are exactly what the person uses by hand, and every step
// can be repeated by hand. Questions go to the engine's API, over a connection
// that the command line makes.
package docker

import (
	"errors"
	"io/fs"
	"maps"
	"os"

	"github.com/odpm/odpm/host/engine"
)

// Options are what the engine must know of the project.
type Options struct {
	// Dir is the project directory, absolute: compose's --project-directory.
	Dir string
	// Project is compose's -p.
	Project string
	// Files are the compose files in order, absolute: docker-compose.yml, and
	// the override where it exists.
	Files []string
	// Own is the one of them that odpm writes, for which a candidate stands. One
	// that lies over others need not be there yet.
	Own string
	// Service is PostgreSQL's compose service, OdooService Odoo's.
	Service, OdooService string
	// VolumeName is the key of PostgreSQL's volume in the compose file.
	VolumeName string
	// DataDir is the data path on the host, absolute; or DataVolume the name
	// of a volume as Docker knows it.
	DataDir, DataVolume string
	// Image is PostgreSQL's image, Major its major. Major decides where the
	// data is mounted where no container says it.
	Image string
	Major int
	// DataTarget is where a compose file of somebody else's mounts the data;
	// "" is the place of the official image of the major.
	DataTarget string
	// PGData is where the cluster is inside such a container, "" as above.
	PGData string
	// Known are images' files as they were read before, by image ID.
	Known map[string]engine.ImageFiles
	// Env is added to what docker and compose see, KEY=VALUE: the project's
	// merged .env, for interpolation.
	Env []string
	// Notify gets a line that is worth telling while Start waits, such as a
	// recovery after a crash. May be nil.
	Notify func(string) `json:"-"`
}

// Reader looks. It implements engine.Reader and engine.StackReader.
type Reader struct {
	o  Options
	cl client
	// contents remembers what only an image's files tell, by image id.
	contents *contentCache
	granted  *grants
}

// Engine looks and acts. It implements engine.Writer and engine.StackWriter.
type Engine struct{ *Reader }

var (
	_ engine.Reader      = (*Reader)(nil)
	_ engine.StackReader = (*Reader)(nil)
	_ engine.Writer      = (*Engine)(nil)
	_ engine.StackWriter = (*Engine)(nil)
)

// NewReader makes one; nothing is asked yet. See Available.
func NewReader(o Options) *Reader {
	return &Reader{o: o, cl: newClient(o.Env, o.Dir), contents: &contentCache{by: maps.Clone(o.Known)}, granted: &grants{}}
}

// Moment is the same reader of one look: what it has been told of containers it
// does not ask again, so that all of the look is of one moment.
func (e *Reader) Moment() *Reader {
	m := *e
	m.cl.memo = &memo{lists: map[string][]container{}, by: map[string]container{}}
	return &m
}

// New makes an engine that also acts.
func New(o Options) *Engine { return &Engine{NewReader(o)} }

// Acting is the same engine for acting, over the same connection. notify is
// Options.Notify.
func (e *Reader) Acting(notify func(string)) *Engine {
	r := *e
	r.o.Notify = notify
	return &Engine{&r}
}

// Kind is "docker".
func (e *Reader) Kind() string { return "docker" }

// compose is the beginning of every compose command: the project, its
// directory and its files are always said, so that no COMPOSE_FILE and no
// current directory decides. An explicit -f drops the override unless it is
// named too, so Files has it.
func (e *Reader) compose(args ...string) []string {
	return e.composeFiles(e.o.Files, args...)
}

func (e *Reader) composeFiles(files []string, args ...string) []string {
	all := []string{"compose", "-p", e.o.Project, "--project-directory", e.o.Dir}
	for i, f := range files {
		if _, err := os.Stat(f); i > 0 && f == e.o.Own && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		all = append(all, "-f", f)
	}
	return append(all, args...)
}

func (e *Reader) notify(line string) {
	if e.o.Notify != nil {
		e.o.Notify(line)
	}
}
