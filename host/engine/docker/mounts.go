package docker

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// volume is the part of `docker volume inspect` that is used here.
type volume struct {
	Name, Driver, Mountpoint string
	Labels, Options          map[string]string
}

// device is the host directory that a volume of driver local binds, "" where
// it is a directory of Docker's own.
func (v volume) device() string {
	if v.Driver != "" && v.Driver != "local" {
		return ""
	}
	for _, o := range strings.Split(v.Options["o"], ",") {
		if o = strings.TrimSpace(o); o == "bind" || o == "rbind" {
			return v.Options["device"]
		}
	}
	return ""
}

func (c client) volumes(ctx context.Context, names ...string) ([]volume, error) {
	var list []volume
	for _, name := range names {
		var v volume
		err := c.api.get(ctx, "volume inspect", "/volumes/"+name, nil, &v)
		if noSuch(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// inode is a file's identity, whatever path leads to it.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return inode{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(st.Dev), uint64(st.Ino)}, true
}

// place is a directory on the host as far as this user can identify it.
type place struct {
	// paths are the path as given and as resolved.
	paths []string
	// chain are the identities of the directory itself and of its parents up
	// to the root; the first is missing where it cannot be reached.
	self  *inode
	above []inode
}

// newPlace resolves a path. What does not exist yet is resolved as far as its
// parents go, since a data directory may be about to be made.
func newPlace(path string) place {
	if path == "" {
		return place{}
	}
	// Docker Desktop's engine sees the host's file system below /host_mnt.
	path = filepath.Clean(path)
	if rest, ok := strings.CutPrefix(path, "/host_mnt/"); ok {
		path = "/" + rest
	}
	p := place{paths: []string{path}}
	if real := resolve(path); real != path {
		p.paths = append(p.paths, real)
	}
	dir := p.paths[len(p.paths)-1]
	if id, ok := inodeOf(dir); ok {
		p.self = &id
	}
	for dir != "/" && dir != "." {
		dir = filepath.Dir(dir)
		if id, ok := inodeOf(dir); ok {
			p.above = append(p.above, id)
		}
	}
	return p
}

func resolve(path string) string {
	rest := ""
	for p := path; ; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, rest)
		}
		if p == "/" || p == "." {
			return path
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}

// relation says how two places overlap.
type relation int

const (
	apart relation = iota
	// same directory, or the first is inside the second.
	within
	// contains: the first is a parent of the second.
	contains
)

// relate compares by path, for an engine whose files this process cannot see,
// and by device and inode, for paths that differ in name only: symbolic links
// and bind mounts.
func relate(a, b place) relation {
	if a.self != nil && b.self != nil && *a.self == *b.self {
		return within
	}
	for _, x := range a.paths {
		for _, y := range b.paths {
			if x == y || strings.HasPrefix(x, strings.TrimSuffix(y, "/")+"/") {
				return within
			}
		}
	}
	if b.self != nil && has(a.above, *b.self) {
		return within
	}
	for _, x := range a.paths {
		for _, y := range b.paths {
			if strings.HasPrefix(y, strings.TrimSuffix(x, "/")+"/") {
				return contains
			}
		}
	}
	if a.self != nil && has(b.above, *a.self) {
		return contains
	}
	return apart
}

func has(list []inode, id inode) bool {
	for _, x := range list {
		if x == id {
			return true
		}
	}
	return false
}

// bindMount is --mount's value: unlike -v it fails where the source is
// missing instead of making it as root, and it takes colons and commas.
func bindMount(source, target string, readOnly bool) string {
	return mountSpec("type=bind", "source="+source, "target="+target, readOnlyField(readOnly))
}

// volumeMount never copies the image's files into the volume.
func volumeMount(name, target string, readOnly bool) string {
	return mountSpec("type=volume", "source="+name, "target="+target, "volume-nocopy", readOnlyField(readOnly))
}

func readOnlyField(b bool) string {
	if b {
		return "readonly"
	}
	return ""
}

func mountSpec(fields ...string) string {
	var keep []string
	for _, f := range fields {
		if f != "" {
			keep = append(keep, f)
		}
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write(keep)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func ownerOf(info os.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}
