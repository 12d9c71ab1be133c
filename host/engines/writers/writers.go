// Package writers opens a project's engine for acting. Only host/apply may
// import it: everybody else looks.
package writers

import (
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
)

// Writers act on a project's PostgreSQL and on the stack around it.
type Writers struct {
	// Server is whatever PostgreSQL it is; Own is the same where odpm runs it,
	// nil for an external one; Stack is nil in native.
	Server engine.Remote
	Own    engine.Writer
	Stack  engine.StackWriter
}

// Open opens what readers look at. notify gets what is worth saying while
// something takes long.
func Open(in *inputs.Inputs, r *engines.Readers, notify func(string)) Writers {
	var w Writers
	if d, ok := r.Stack.(*docker.Reader); ok {
		e := d.Acting(notify)
		w.Stack = e
		if r.Kind == engines.Docker {
			w.Server, w.Own = e, e
		}
	}
	switch r.Kind {
	case engines.Native:
		e := native.New(engines.NativeOptions(in, in.Project.DataDir, in.Project.PostgresPort, false))
		w.Server, w.Own = e, e
	case engines.External:
		w.Server = external.New(r.At)
	}
	return w
}

// OldStack is the stack under another compose project name, for stopping what
// an earlier run started under it.
func OldStack(in *inputs.Inputs, name string) engine.StackWriter {
	return docker.New(engines.DockerOptions(in, name))
}

// OldNative is the server of another directory or port of this project's past.
func OldNative(in *inputs.Inputs, dataDir string, port int) engine.Writer {
	return native.New(engines.NativeOptions(in, dataDir, port, false))
}

// Theirs is a stack that somebody else's compose files make. env is KEY=VALUE
// for compose's interpolation.
func Theirs(dir, project string, files, env []string) engine.TheirStack {
	return docker.New(docker.Options{Dir: dir, Project: project, Files: files, Env: env})
}
