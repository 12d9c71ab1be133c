package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/engine"
)

// EngineInfo says which engine answers.
func (e *Reader) EngineInfo(ctx context.Context) (engine.Info, error) {
	var info struct {
		ID              string
		SecurityOptions []string
		// Podman's own; its 4.3 says it nowhere else.
		Rootless bool
	}
	if err := e.cl.api.get(ctx, "info", "/info", nil, &info); err != nil {
		return engine.Info{}, err
	}
	out := engine.Info{ID: info.ID, Rootless: info.Rootless}
	for _, o := range info.SecurityOptions {
		name, _, _ := strings.Cut(strings.TrimPrefix(o, "name="), ",")
		out.Rootless = out.Rootless || name == "rootless"
		out.Remapped = out.Remapped || name == "userns"
	}
	out.Remapped = out.Remapped || out.Rootless
	return out, nil
}

// Rootless tells whether an ordinary user runs the engine. A socket that belongs
// to root is no such engine's: that takes no question.
func (e *Reader) Rootless(ctx context.Context) (bool, error) {
	if path := e.cl.api.socket(); path != "" {
		if info, err := os.Stat(path); err == nil {
			if uid, _, ok := ownerOf(info); ok && uid == 0 {
				return false, nil
			}
		}
	}
	info, err := e.EngineInfo(ctx)
	return info.Rootless, err
}

// Sees tells whether a container sees a file of this machine with the content
// that it has here. An engine on another machine, or one that was given another
// root, makes mounts of what it has under the same path.
func (e *Reader) Sees(ctx context.Context, image, path, content string) (bool, error) {
	run := oneOff{
		name: "odpm-sees-" + token(), image: image, user: "0:0", entrypoint: "sh", options: lookOnly,
		mounts: []string{"--mount", bindMount(filepath.Dir(path), "/odpm", true)},
		args:   []string{"-c", `head -c 200 "/odpm/$1" 2>/dev/null; echo .`, "sh", filepath.Base(path)},
	}
	out, _, err := e.runOneOff(ctx, run)
	if err == nil {
		return strings.TrimSuffix(strings.TrimSpace(out), ".") == content, nil
	}
	// A container that does not answer in time has seen nothing, and missed nothing.
	var late noAnswer
	if ctx.Err() != nil || errors.As(err, &late) {
		return false, fmt.Errorf("ask the engine whether it sees the files of this machine: %w", err)
	}
	// The directory may be what it does not have; or it cannot run containers.
	run.name, run.mounts, run.args = "odpm-sees-"+token(), nil, []string{"-c", ":"}
	if _, _, again := e.runOneOff(ctx, run); again != nil {
		return false, fmt.Errorf("ask the engine whether it sees the files of this machine: %w", again)
	}
	return false, nil
}

// lookOnly is nothing more than the right to read what belongs to others.
var lookOnly = []string{"--read-only", "--cap-drop", "ALL", "--cap-add", "DAC_READ_SEARCH", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"}

// HostIDs are a container's uid and gid as this machine counts them: with
// userns-remap, and with an engine without root, they are others.
func (e *Reader) HostIDs(ctx context.Context, image string, uid, gid int) (hostUID, hostGID int, err error) {
	out, _, err := e.runOneOff(ctx, oneOff{
		name: "odpm-ids-" + token(), image: image, user: "0:0", entrypoint: "sh", options: lookOnly,
		args: []string{"-c", "cat /proc/self/uid_map; echo .; cat /proc/self/gid_map"},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask the engine for its user namespace: %w", err)
	}
	users, groups, _ := strings.Cut(out, ".\n")
	hostUID, okU := mapped(users, uid)
	hostGID, okG := mapped(groups, gid)
	if !okU || !okG {
		return 0, 0, fmt.Errorf("the engine's user namespace has no %d:%d: %q", uid, gid, out)
	}
	return hostUID, hostGID, nil
}

// mapped reads lines of /proc/PID/uid_map: first id inside, first id outside,
// how many (user_namespaces(7)).
func mapped(lines string, id int) (int, bool) {
	for _, line := range strings.Split(lines, "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		inside, err1 := strconv.Atoi(f[0])
		outside, err2 := strconv.Atoi(f[1])
		n, err3 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && err3 == nil && id >= inside && id-inside < n {
			return outside + id - inside, true
		}
	}
	return 0, false
}
