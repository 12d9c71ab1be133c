package docker

import (
	"context"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/datadir"
)

// Look says what is in the data directory. What this user may not read (the
// official image's data is postgres' alone) is looked at from a short
// container of PostgreSQL's own image, read-only and without a network, if the
// image is on this machine; nothing is pulled for a look.
func (e *Reader) Look(ctx context.Context) (datadir.Facts, error) {
	dir, name, err := e.source(ctx)
	if err != nil {
		return datadir.Facts{UID: -1, GID: -1}, err
	}
	if dir != "" {
		f := datadir.Look(dir, e.o.Major)
		if f.State != datadir.Unknown {
			return f, nil
		}
		return e.probe(ctx, f)
	}
	f := datadir.Facts{Path: name, UID: -1, GID: -1, Reason: "neither a data directory nor a volume is known"}
	if name == "" {
		if c, err := e.ofService(ctx, e.o.Service); err != nil || c != nil {
			return f, err
		}
		// An anonymous volume comes with the container.
		f.State, f.Reason = datadir.Missing, ""
		return f, nil
	}
	vs, err := e.cl.volumes(ctx, name)
	if err != nil {
		return f, err
	}
	if len(vs) == 0 {
		f.State, f.Reason = datadir.Missing, ""
		return f, nil
	}
	path := vs[0].Mountpoint
	if dev := vs[0].device(); dev != "" {
		path = dev
	}
	if sub := e.subdir(); path != "" && sub != "" {
		if seen := datadir.Look(filepath.Join(path, sub), e.o.Major); seen.State == datadir.Initialised && seen.ClusterDir == "." {
			seen.Path, seen.ClusterDir = path, sub
			return seen, nil
		}
	}
	if path != "" {
		// A mountpoint that is not here is in the engine's virtual machine.
		if seen := datadir.Look(path, e.o.Major); seen.State != datadir.Unknown && seen.State != datadir.Missing {
			return seen, nil
		}
		f.Path = path
	}
	f.Reason = "this user may not read the volume " + name
	return e.probe(ctx, f)
}

// probe looks from inside. Its facts keep the host's path.
func (e *Reader) probe(ctx context.Context, f datadir.Facts) (datadir.Facts, error) {
	image := e.o.Image
	if ok, err := e.present(ctx, image); err != nil {
		return f, err
	} else if !ok {
		c, err := e.ofService(ctx, e.o.Service)
		if err != nil {
			return f, err
		}
		if c == nil {
			f.Reason += "; looking from inside needs the image " + image + ", which is not on this machine: docker pull " + image
			return f, nil
		}
		image = c.Image
	}
	m, err := e.dataMount(ctx, "/data", true)
	if err != nil {
		return f, err
	}
	out, _, err := e.runOneOff(ctx, oneOff{
		name: "odpm-look-" + token(), image: image, user: "0:0", entrypoint: "sh",
		options: lookOnly,
		mounts:  []string{"--mount", m},
		args:    []string{"-c", lookScript, "sh", e.subdir()},
	})
	if err != nil {
		if ctx.Err() != nil {
			return f, err
		}
		f.Reason += "; a look from inside failed: " + err.Error()
		return f, nil
	}
	return parseLook(out, f, e.o.Major, e.subdir()), nil
}

// subdir is where PGDATA of somebody's compose file lies below its mount, ""
// for the places that every image of the official kind uses.
func (e *Reader) subdir() string {
	rel, err := filepath.Rel(e.dataTarget(), e.pgdata())
	if err != nil || e.o.PGData == "" || !filepath.IsLocal(rel) || rel == "." || rel == "data" || majorDir.MatchString(rel) {
		return ""
	}
	return rel
}

// lookScript prints lines of fields separated by tabs: "own DIR UID GID",
// "version DIR FIRST-LINE", "control DIR HEX", "made DIR CONTROL DATABASES" where
// initdb has made its directories, "begun DIR" where there are those alone, "entry
// NAME". Only regular files are read and
// no link is followed, as by datadir.Look.
const lookScript = `cd /data || exit 3
t=$(printf '\t')
root=$(pwd -P)
own() { [ "$(readlink -f "$1")" = "$root/${1#./}" ]; }
stat -c "own$t.$t%u$t%g" .
for d in . [0-9]*/docker data ${1:+"$1"}; do
if ! [ -e "$d/PG_VERSION" ] && [ -d "$d/pg_wal" ] && own "$d/pg_wal" && ! ls -A "$d" | grep -qvxE '` + datadir.InitdbNames + `'; then
echo "begun$t$d$t."
fi
[ -f "$d/PG_VERSION" ] && own "$d/PG_VERSION" || continue
stat -c "own$t$d$t%u$t%g" "$d"
echo "version$t$d$t$(head -c 64 "$d/PG_VERSION" | head -n 1)"
[ -f "$d/global/pg_control" ] && own "$d/global/pg_control" && echo "control$t$d$t$(head -c 8 "$d/global/pg_control" 2>/dev/null | od -An -v -tx1 | tr -d ' \n')"
[ -d "$d/base" ] && own "$d/base" && [ -d "$d/global" ] && own "$d/global" && echo "made$t$d$t$([ -e "$d/global/pg_control" ] && echo yes)$t$(ls "$d/base" | grep -c '^[0-9]*$')"
done
ls -A | head -n 50 | sed "s/^/entry$t/"
`

var majorDir = regexp.MustCompile(`^[0-9]+/docker$`)

// parseLook believes the same places in the same order as datadir.Look. The
// directory's names are somebody's and are only compared, never used.
func parseLook(out string, f datadir.Facts, imageMajor int, sub string) datadir.Facts {
	type cluster struct {
		version, control string
		unfinished       string
		uid, gid         int
	}
	found := map[string]*cluster{}
	at := func(dir string) *cluster {
		if found[dir] == nil {
			found[dir] = &cluster{uid: -1, gid: -1}
		}
		return found[dir]
	}
	var order, entries []string
	begun := false
	for _, line := range strings.Split(out, "\n") {
		fields := strings.Split(line, "\t")
		switch {
		case fields[0] == "entry" && len(fields) > 1:
			entries = append(entries, fields[1])
		case len(fields) < 3 || fields[1] != "." && fields[1] != "data" && fields[1] != sub && !majorDir.MatchString(fields[1]):
		case fields[0] == "own" && len(fields) == 4:
			c := at(fields[1])
			c.uid, _ = strconv.Atoi(fields[2])
			c.gid, _ = strconv.Atoi(fields[3])
		case fields[0] == "version":
			at(fields[1]).version = fields[2]
			order = append(order, fields[1])
		case fields[0] == "begun":
			begun = true
		case fields[0] == "made" && len(fields) == 4:
			if n, err := strconv.Atoi(fields[3]); err == nil {
				at(fields[1]).unfinished = datadir.UnfinishedReason(fields[2] == "yes", n)
			}
		case fields[0] == "control":
			at(fields[1]).control = fields[2]
		}
	}
	f.Reason = ""
	if c := found["."]; c != nil {
		f.UID, f.GID = c.uid, c.gid
	}
	if dirs := prefer(order, imageMajor, sub); len(dirs) > 0 {
		dir := dirs[0]
		c := found[dir]
		f.ClusterDir, f.UID, f.GID = dir, c.uid, c.gid
		major, err := datadir.ParseVersion(c.version)
		if err != nil {
			f.State, f.Reason = datadir.Other, err.Error()
			return f
		}
		f.State, f.Major = datadir.Initialised, major
		if raw, err := hex.DecodeString(c.control); err == nil {
			f.SystemIdentifier = datadir.ParseIdentity(raw)
		}
		if c.unfinished != "" {
			f.State, f.Reason = datadir.Unfinished, c.unfinished
		}
		return f
	}
	if begun {
		f.State, f.Reason = datadir.Unfinished, datadir.NoVersion
		return f
	}
	f.State = datadir.Empty
	for _, name := range entries {
		if !datadir.Ignorable(name) {
			f.State, f.Reason = datadir.Other, "it contains "+strconv.Quote(name)+" but no PG_VERSION"
			break
		}
	}
	return f
}

// prefer puts the compose file's own place first, then a cluster at the root,
// then the image's own major.
func prefer(dirs []string, imageMajor int, sub string) []string {
	own := filepath.Join(strconv.Itoa(imageMajor), "docker")
	var out []string
	for _, pass := range []func(string) bool{
		func(d string) bool { return d == sub },
		func(d string) bool { return d == "." && d != sub },
		func(d string) bool { return d == own && d != sub },
		func(d string) bool { return d != sub && d != "." && d != own && d != "data" },
		func(d string) bool { return d == "data" && d != sub },
	} {
		for _, d := range dirs {
			if pass(d) {
				out = append(out, d)
			}
		}
	}
	return out
}
