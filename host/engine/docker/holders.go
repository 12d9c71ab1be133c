package docker

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/shared/shell"
)

// data is what must have one writer only: a directory, a volume, or a volume
// that binds the directory.
type data struct {
	places  []place
	volumes []string
}

// data collects all names of the project's data.
func (e *Reader) data(ctx context.Context) (data, error) {
	var d data
	dir, name, err := e.source(ctx)
	if err != nil {
		return d, err
	}
	if dir != "" {
		d.places = append(d.places, newPlace(dir))
	}
	if name == "" {
		return d, nil
	}
	d.volumes = append(d.volumes, name)
	vs, err := e.cl.volumes(ctx, name)
	if err != nil {
		return d, err
	}
	for _, v := range vs {
		if dev := v.device(); dev != "" {
			d.places = append(d.places, newPlace(dev))
		} else if v.Mountpoint != "" {
			d.places = append(d.places, newPlace(v.Mountpoint))
		}
	}
	return d, nil
}

// source is the data directory or the data volume. Under a foreign compose
// file with an anonymous volume neither is configured; the service's container
// knows it.
func (e *Reader) source(ctx context.Context) (dir, volume string, err error) {
	if e.o.DataDir != "" || e.o.DataVolume != "" || e.o.Service == "" {
		return e.o.DataDir, e.o.DataVolume, nil
	}
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil || c == nil {
		return "", "", err
	}
	pgdata := c.env("PGDATA")
	if pgdata == "" {
		pgdata = e.pgdata()
	}
	m := c.mountOf(pgdata)
	switch {
	case m == nil:
		return "", "", nil
	case m.Type == "volume":
		return "", m.Name, nil
	}
	return m.Source, "", nil
}

// Holders finds every running container of any project that has the data
// mounted so that a server in it could write them, and servers that run on
// them outside of Docker. Between containers PostgreSQL has no interlock: the
// pid in postmaster.pid means nothing in another pid namespace, and a second
// server destroys the cluster.
func (e *Reader) Holders(ctx context.Context) ([]engine.Holder, error) {
	d, err := e.data(ctx)
	if err != nil {
		return nil, err
	}
	found, err := e.cl.holders(ctx, d)
	if err != nil {
		return nil, err
	}
	var out []engine.Holder
	var inside []int
	for _, c := range found {
		h := holder(c)
		h.Own = c.project() == e.o.Project && c.service() == e.o.Service && !c.oneOff() && e.sameDir(c)
		out = append(out, h)
		inside = append(inside, c.State.Pid)
	}
	return append(out, nativeHolders(d, inside)...), nil
}

// sameDir: a project of the same name in another directory is another project.
func (e *Reader) sameDir(c container) bool {
	dir := c.Config.Labels[labelDir]
	return dir == "" || e.o.Dir == "" || relate(newPlace(dir), newPlace(e.o.Dir)) == within && relate(newPlace(e.o.Dir), newPlace(dir)) == within
}

// ContainerHolders is for the native engine: containers that have a path
// mounted. Where Docker cannot be asked, a directory without a postmaster.pid
// has no server, since every server writes one; with one, it cannot be known
// whose it is, and that is an error.
func ContainerHolders(ctx context.Context, path string) ([]engine.Holder, error) {
	c := newClient(nil, "")
	if err := engineAnswers(ctx, c); err != nil {
		if dir, found := pidFile(path); found && !noEngine(err) && len(native.ServersOn(dir)) == 0 {
			return nil, fmt.Errorf("%s has a postmaster.pid, and odpm cannot determine whether a container is running a server on it: %w. If you are certain that none is, the file was left by a crash: rm %s", dir, err, shell.Quote(filepath.Join(dir, "postmaster.pid")))
		}
		return nil, nil
	}
	found, err := c.holders(ctx, data{places: []place{newPlace(path)}})
	if err != nil {
		return nil, err
	}
	var out []engine.Holder
	for _, ct := range found {
		out = append(out, holder(ct))
	}
	return out, nil
}

func pidFile(path string) (dir string, found bool) {
	for _, dir := range clusterDirs(path) {
		if _, err := os.Lstat(filepath.Join(dir, "postmaster.pid")); err == nil {
			return dir, true
		}
	}
	return "", false
}

func holder(c container) engine.Holder {
	h := engine.Holder{
		Kind: "container", Name: c.name(), Project: c.project(), Service: c.service(),
		WorkingDir: c.Config.Labels[labelDir], StopCommand: "docker stop -t " + stopSeconds + " " + c.name(),
	}
	if h.Project != "" && h.Service != "" && !c.oneOff() {
		h.StopCommand = "docker compose -p " + h.Project + " stop -t " + stopSeconds + " " + h.Service
	}
	if service := c.Config.Labels[labelSwarm]; service != "" {
		// Swarm starts another in the place of a container that was stopped.
		h.StopCommand = "docker service scale " + service + "=0"
	}
	return h
}

func (c client) holders(ctx context.Context, d data) ([]container, error) {
	found, err := c.listed(ctx, "{}")
	if err != nil {
		return nil, err
	}
	var ids []string
	var mounts []mount
	for _, l := range found {
		if live(l.State) {
			ids, mounts = append(ids, l.ID), append(mounts, l.Mounts...)
		}
	}
	// Podman's list may say less of mounts than there is.
	if c.api.docker() {
		devices, err := c.devices(ctx, mounts...)
		if err != nil {
			return nil, err
		}
		ids = nil
		for _, l := range found {
			if live(l.State) && mounted(l.Mounts, d, devices) != apart {
				ids = append(ids, l.ID)
			}
		}
	}
	list, err := c.inspect(ctx, ids...)
	if err != nil {
		return nil, err
	}
	mounts = nil
	for _, ct := range list {
		mounts = append(mounts, ct.Mounts...)
	}
	devices, err := c.devices(ctx, mounts...)
	if err != nil {
		return nil, err
	}
	var out []container
	for _, ct := range list {
		yes, err := c.holds(ctx, ct, d, devices)
		if err != nil {
			return nil, err
		}
		if yes {
			out = append(out, ct)
		}
	}
	return out, nil
}

// devices are the host directories that the mounts' volumes bind. One question
// tells of all volumes, however many there are.
func (c client) devices(ctx context.Context, mounts ...mount) (map[string]string, error) {
	names := map[string]bool{}
	for _, m := range mounts {
		if m.Type == "volume" && m.Name != "" {
			names[m.Name] = true
		}
	}
	var vs []volume
	var err error
	if len(names) > 1 {
		var answer struct{ Volumes []volume }
		err = c.api.get(ctx, "volume ls", "/volumes", nil, &answer)
		vs = answer.Volumes
	} else {
		vs, err = c.volumes(ctx, slices.Collect(maps.Keys(names))...)
	}
	if err != nil {
		return nil, err
	}
	devices := map[string]string{}
	for _, v := range vs {
		if dev := v.device(); dev != "" {
			devices[v.Name] = dev
		}
	}
	return devices, nil
}

// holds: a mount of the data or of something inside counts, whatever runs
// there. A mount of a parent counts where PostgreSQL is concerned: monitoring
// and development containers mount whole disks and run no server on them. A
// read-only mount cannot carry a server.
func (c client) holds(ctx context.Context, ct container, d data, devices map[string]string) (bool, error) {
	switch mounted(ct.Mounts, d, devices) {
	case within:
		return true, nil
	case contains:
		return c.concernsPostgres(ctx, ct)
	}
	return false, nil
}

// mounted is what a container's writable mounts are to the data: within is the
// data or something inside, or a parent where images of PostgreSQL keep theirs;
// contains is any other parent.
func mounted(mounts []mount, d data, devices map[string]string) relation {
	found := apart
	for _, m := range mounts {
		if !m.RW {
			continue
		}
		for _, name := range d.volumes {
			if m.Type == "volume" && m.Name == name {
				return within
			}
		}
		sources := []string{m.Source}
		if dev := devices[m.Name]; m.Type == "volume" && dev != "" {
			sources = append(sources, dev)
		}
		for _, s := range sources {
			if s == "" {
				continue
			}
			for _, p := range d.places {
				switch relate(newPlace(s), p) {
				case within:
					return within
				case contains:
					if strings.HasPrefix(m.Destination, "/var/lib/postgres") || strings.HasPrefix(m.Destination, "/var/lib/pgsql") {
						return within
					}
					found = contains
				}
			}
		}
	}
	return found
}

func (c client) concernsPostgres(ctx context.Context, ct container) (bool, error) {
	if ct.env("PGDATA") != "" || ct.env("PG_MAJOR") != "" {
		return true, nil
	}
	for _, word := range append([]string{ct.Config.Image, ct.Path}, ct.Args...) {
		if strings.Contains(word, "postgres") {
			return true, nil
		}
	}
	out, err := c.output(ctx, "top", ct.ID)
	if err != nil {
		// It has ended meanwhile, or the engine cannot tell; the latter is no
		// reason to be sure.
		c.memo = nil
		now, lookErr := c.inspect(ctx, ct.ID)
		if lookErr != nil {
			return false, lookErr
		}
		return len(now) > 0 && now[0].State.Running, nil
	}
	return strings.Contains(out, "postgres") || strings.Contains(out, "postmaster"), nil
}

// nativeHolders asks for servers outside of the containers that were found.
func nativeHolders(d data, containerPids []int) []engine.Holder {
	var out []engine.Holder
	seen := map[string]bool{}
	for _, p := range d.places {
		path := p.paths[len(p.paths)-1]
		for _, dir := range clusterDirs(path) {
			for _, pid := range native.ServersOn(dir) {
				if inNamespaceOf(pid, containerPids) || seen[strconv.Itoa(pid)] {
					continue
				}
				if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
					continue // it has ended since, and nobody can say of which container it was
				}
				seen[strconv.Itoa(pid)] = true
				out = append(out, engine.Holder{
					Kind: "postmaster", Name: "pid " + strconv.Itoa(pid), WorkingDir: dir,
					StopCommand: "kill -INT " + strconv.Itoa(pid),
				})
			}
		}
	}
	return out
}

// clusterDirs are the places of a cluster below a mounted path.
func clusterDirs(path string) []string {
	dirs := []string{path, filepath.Join(path, "data")}
	if f := datadir.Look(path, 0); f.ClusterDir != "" {
		dirs = append(dirs, filepath.Join(path, f.ClusterDir))
	}
	more, _ := filepath.Glob(filepath.Join(path, "[0-9]*", "docker"))
	return append(dirs, more...)
}

// inNamespaceOf tells a container's server, which the host sees too, from one
// that runs outside of every container found.
func inNamespaceOf(pid int, others []int) bool {
	ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid")
	if err != nil {
		return false
	}
	for _, o := range others {
		if other, err := os.Readlink("/proc/" + strconv.Itoa(o) + "/ns/pid"); o > 0 && err == nil && other == ns {
			return true
		}
	}
	return false
}
