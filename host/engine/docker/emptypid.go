package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
)

// endedStarting is a server that ended before it accepted connections.
type endedStarting struct{ msg string }

func (e *endedStarting) Error() string { return e.msg }

// removeEmptyPid takes an empty postmaster.pid out of the way of a server whose
// container has just ended, and tells whether there was one. A power cut
// leaves the name of such a file without its content; PostgreSQL then takes it
// for another server that is starting, and never starts again beside it.
func (e *Engine) removeEmptyPid(ctx context.Context, c container) (bool, error) {
	holders, err := e.Holders(ctx)
	if err != nil || slices.ContainsFunc(holders, func(h engine.Holder) bool { return !h.Own }) {
		return false, err
	}
	if found, err := e.emptyPid(ctx, c, "look"); err != nil || !found {
		return false, err
	}
	// With a restart policy the container comes back again and again. It is
	// stopped while it cannot start: once it can, its entrypoint, a shell as
	// process 1, would ignore the signal.
	if err := e.stop(ctx, c); err != nil {
		return false, err
	}
	return e.emptyPid(ctx, c, "remove")
}

func (e *Engine) emptyPid(ctx context.Context, c container, what string) (bool, error) {
	out, _, err := e.runOneOff(ctx, oneOff{
		name: "odpm-pid-" + token(), image: c.Image, user: "0:0", entrypoint: "sh", options: removeOnly,
		mounts: []string{"--volumes-from", c.ID},
		args:   []string{"-c", emptyPidScript, "sh", cmp.Or(c.env("PGDATA"), e.pgdata()), what},
	})
	if err != nil {
		return false, fmt.Errorf("look for an empty postmaster.pid: %w", err)
	}
	return strings.TrimSpace(out) == "empty", nil
}

// emptyPidScript looks twice: a server that makes the file fills it at once.
const emptyPidScript = `empty() { [ -f postmaster.pid ] && [ ! -L postmaster.pid ] && [ ! -s postmaster.pid ]; }
cd "$1" && empty || exit 0
sleep 1
empty || exit 0
[ "$2" = look ] || rm -f postmaster.pid || exit
echo empty
`

// removeOnly is the right to remove what belongs to others, in a volume.
var removeOnly = []string{"--read-only", "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"}
