package foreign

import (
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/shell"
)

// describePostgres reads the service; the mounts decide what is said of data.
func (f *File) describePostgres(s types.ServiceConfig) error {
	p := f.Postgres
	*p = Postgres{Service: s.Name, Image: s.Image, User: s.User, Mounts: s.Volumes, ContainerPort: compose.PostgresPort}
	from := s.Image
	if base := readBuild(s.Build).Base; base != "" {
		if name, _ := tag.Split(base); postgresName.MatchString(name) {
			from = base
		}
	}
	name, t := tag.Split(from)
	p.Tag, p.Major = t, tag.Major(t)
	// pgvector:pg16, timescaledb:latest-pg15, 2.14-pg16.
	if suffix := tag.Suffix(t); suffix != "" {
		p.Major, _ = strconv.Atoi(suffix)
		p.Tag = suffix
	}
	if n, err := strconv.Atoi(env(s, "PGPORT")); err == nil && n > 0 {
		p.ContainerPort = n
	}
	if n := commandPort(s.Command); n > 0 {
		p.ContainerPort = n
	}
	p.Role = firstOf(env(s, "POSTGRES_USER"), env(s, "POSTGRESQL_USERNAME"), "postgres")
	p.Database = firstOf(env(s, "POSTGRES_DB"), env(s, "POSTGRESQL_DATABASE"), p.Role)
	p.Password = firstOf(env(s, "POSTGRES_PASSWORD"), env(s, "POSTGRESQL_PASSWORD"))
	if file := firstOf(env(s, "POSTGRES_PASSWORD_FILE"), env(s, "POSTGRESQL_PASSWORD_FILE")); p.Password == "" && file != "" {
		p.Password = f.secretFile(s, file)
	}
	switch {
	case s.Build == nil:
	case p.Major > 0 || s.Image != "":
		f.buildsImage(s, "POSTGRES_IMAGE")
	default:
		f.problem(Problem{Code: "build", Message: fmt.Sprintf("service %s builds its image; its PostgreSQL version is not in the file", s.Name),
			Way: "odpm keeps such a service only under ODPM_COMPOSE=keep; or name an image: POSTGRES_IMAGE in .env"})
	}
	f.data(s, strings.Contains(from, "bitnami") || name == "postgresql" && env(s, "POSTGRESQL_PASSWORD") != "")
	f.port(s)
	f.clear(s, "POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD")
	f.profiles(s)
	return nil
}

// data finds what holds the cluster. The image declares a volume of its own;
// where no mount of the file's covers PGDATA more closely than that one,
// Docker makes an anonymous volume, and the next `down` and `up` begins with
// an empty cluster (docker-library/postgres#761).
func (f *File) data(s types.ServiceConfig, bitnami bool) {
	p := f.Postgres
	if p.Major == 0 {
		p.Major = f.majorOnDisk(s)
	}
	if p.Major == 0 {
		p.Major = f.known.Major
	}
	if p.Major == 0 {
		f.problem(Problem{Code: "major_unknown",
			Message: fmt.Sprintf("image %q of service %s names no PostgreSQL major, so the version that wrote the data is unknown", s.Image, s.Name),
			Way:     "to see it: docker compose exec " + s.Name + " postgres --version, and write the version into odpm.json (postgres_version)"})
	}
	if p.Major > 0 && p.Major < project.OldestMajor {
		f.problem(Problem{Code: "major_old", Blocking: true,
			Message: fmt.Sprintf("service %s runs PostgreSQL %s (image %q), and odpm works with %d or newer", s.Name, firstOf(p.Tag, strconv.Itoa(p.Major)), f.imageOf(s), project.OldestMajor),
			Way: fmt.Sprintf("docker compose -p %s exec -T %s pg_dumpall -U %s > all.sql        then a newer image in %s with a new, empty place for its data, and all.sql into that with psql",
				f.Name, s.Name, shell.Quote(p.Role), filepath.Base(f.Files[0]))})
	}
	declared := datadir.MountTarget(p.Major)
	p.PGData = firstOf(env(s, "PGDATA"), datadir.PGData(p.Major))
	if bitnami {
		declared, p.PGData = "", firstOf(env(s, "PGDATA"), env(s, "POSTGRESQL_DATA_DIR"), "/bitnami/postgresql/data")
	}
	if at := f.known.PGData; at != "" && env(s, "PGDATA") == "" && path.Clean(at) != path.Clean(p.PGData) {
		declared, p.PGData = "", at
	}
	p.PGData = path.Clean(p.PGData)
	for _, tmp := range s.Tmpfs {
		target, _, _ := strings.Cut(tmp, ":")
		if below(p.PGData, target) {
			p.Target = target
			f.tmpfs(s)
			return
		}
	}
	var best *types.ServiceVolumeConfig
	for i, v := range s.Volumes {
		if below(p.PGData, v.Target) && (best == nil || len(v.Target) > len(best.Target)) {
			best = &s.Volumes[i]
		}
	}
	if best == nil || declared != "" && below(p.PGData, declared) && len(path.Clean(best.Target)) < len(declared) {
		f.anonymous(s, best, declared)
		return
	}
	p.Target = path.Clean(best.Target)
	switch {
	case best.Type == types.VolumeTypeTmpfs:
		f.tmpfs(s)
	case best.Source == "":
		f.anonymous(s, nil, p.Target)
	default:
		f.source(s, *best)
	}
}

// commandPort is the port that the server's command says, 0 for none: -p N,
// -c port=N, --port=N.
func commandPort(command []string) int {
	words := command
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	port := 0
	for i, w := range words {
		value := ""
		switch {
		case (w == "-p" || w == "-c" || w == "--port") && i+1 < len(words):
			value = words[i+1]
		case strings.HasPrefix(w, "-c"), strings.HasPrefix(w, "-p"):
			value = w[2:]
		case strings.HasPrefix(w, "--port="):
			value = strings.TrimPrefix(w, "--")
		default:
			continue
		}
		if w != "-p" && w != "--port" && !strings.HasPrefix(w, "-p") || strings.HasPrefix(value, "port=") {
			var ok bool
			if value, ok = strings.CutPrefix(value, "port="); !ok {
				continue
			}
		}
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			port = n
		}
	}
	return port
}

// below tells whether a path is dir or lies in it.
func below(p, dir string) bool {
	dir = strings.TrimSuffix(path.Clean(dir), "/")
	p = path.Clean(p)
	return p == dir || strings.HasPrefix(p, dir+"/")
}

func (f *File) tmpfs(s types.ServiceConfig) {
	f.problem(Problem{Code: "tmpfs", Blocking: true, Message: fmt.Sprintf("service %s keeps its data in memory (tmpfs at %s): it is lost with the container", s.Name, f.Postgres.Target),
		Way: "nothing can be taken over; dump the databases while it runs: docker compose exec " + s.Name + " pg_dumpall -U " + f.Postgres.Role + " > all.sql"})
}

// anonymous also tells a mount that was meant for the data and misses them.
func (f *File) anonymous(s types.ServiceConfig, near *types.ServiceVolumeConfig, at string) {
	p := f.Postgres
	if near == nil {
		for i, v := range s.Volumes {
			if strings.HasPrefix(v.Target, "/var/lib/postgres") || strings.HasPrefix(v.Target, "/var/lib/pgsql") {
				near = &s.Volumes[i]
			}
		}
	}
	if near == nil && f.known.PGData == "" && !officialPostgres(s.Image) {
		if v := ownPlace(s); v != nil {
			p.Target = path.Clean(v.Target)
			way := "docker pull " + shell.Quote(s.Image)
			if s.Image == "" {
				way = fmt.Sprintf("docker compose -f %s build %s", shell.Quote(f.Files[0]), s.Name)
			}
			f.problem(Problem{Code: "image_unknown", Blocking: true,
				Message: fmt.Sprintf("service %s mounts %s at %s, where its image may keep the data; the image %s is not on this machine, so odpm cannot tell", s.Name, v.Source, v.Target, f.imageOf(s)),
				Way:     way + "        the image says where it keeps its data"})
			return
		}
	}
	way := fmt.Sprintf("find it before anything is removed, and never use `down -v`: docker inspect -f '{{range .Mounts}}{{.Name}} {{.Destination}}{{println}}{{end}}' $(docker compose -p %s ps -aq %s). "+
		"Then name it in .env: POSTGRES_DATA_DIR=volume:NAME", f.Name, s.Name)
	if near != nil {
		p.Target = path.Clean(near.Target)
		f.problem(Problem{Code: "mount_target", Blocking: true,
			Message: fmt.Sprintf("service %s mounts %s at %s, but PostgreSQL %s of this image keeps its data in %s, outside of that mount: the data is in an anonymous volume",
				s.Name, near.Source, near.Target, majorWord(p.Major), p.PGData),
			Way: way})
		return
	}
	p.Target = at
	f.problem(Problem{Code: "anonymous_volume", Blocking: true,
		Message: fmt.Sprintf("service %s mounts nothing for its data: the data is in an anonymous volume that belongs to the container", s.Name), Way: way})
}

// officialPostgres: the image is the official one, which keeps its data in a place
// that is known.
func officialPostgres(image string) bool {
	name, _ := tag.Split(image)
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "index."), "docker.io/"), "library/") == "postgres"
}

// ownPlace is a volume that an image of its own kind may keep its data in, nil for
// none.
func ownPlace(s types.ServiceConfig) *types.ServiceVolumeConfig {
	for i, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume && v.Source != "" && !v.ReadOnly && !below(v.Target, "/etc") && !below(v.Target, "/docker-entrypoint-initdb.d") {
			return &s.Volumes[i]
		}
	}
	return nil
}

func majorWord(n int) string {
	if n == 0 {
		return "(of unknown version)"
	}
	return strconv.Itoa(n)
}

// source turns a mount into what odpm's own file would mount. That wants the
// cluster at the mount's root up to 17 and in <major>/docker from 18 on.
func (f *File) source(s types.ServiceConfig, v types.ServiceVolumeConfig) {
	p := f.Postgres
	p.MountSource = v.Source
	if f.elsewhere(s, v) {
		return
	}
	dir := ""
	if v.Type == types.VolumeTypeBind {
		dir = v.Source
	} else {
		p.VolumeKey, p.MountSource = v.Source, v.Source
		if vol, ok := f.Doc.Volumes[v.Source]; ok {
			p.MountSource = firstOf(vol.Name, v.Source)
			if vol.DriverOpts["o"] != "" && strings.Contains(","+vol.DriverOpts["o"]+",", "bind,") {
				dir = vol.DriverOpts["device"]
			}
		}
	}
	rel, err := filepath.Rel(p.Target, p.PGData)
	if err != nil {
		rel = "."
	}
	if v.Volume != nil && v.Volume.Subpath != "" {
		rel = filepath.Join(v.Volume.Subpath, rel)
	}
	want := "."
	if p.Major >= 18 {
		want = filepath.Join(strconv.Itoa(p.Major), "docker")
	}
	if dir != "" {
		cluster := filepath.Join(dir, rel)
		root, ok := strings.CutSuffix(cluster, string(filepath.Separator)+want)
		if want == "." {
			root, ok = cluster, true
		}
		if ok {
			p.DataDir = root
			return
		}
		p.DataDir = dir
		f.layout(s, cluster, filepath.Join(dir, want))
		return
	}
	p.DataVolume = p.MountSource
	if rel != want {
		p.DataRel = rel
	}
	if rel == "." && p.Major >= 18 {
		f.layout(s, "the volume's top", "the volume's "+want)
	}
}

func (f *File) layout(s types.ServiceConfig, is, want string) {
	f.problem(Problem{Code: "layout", Blocking: true,
		Message: fmt.Sprintf("the cluster of service %s is in %s; images from 18 on keep it in %s", s.Name, is, want),
		Way:     "keep using this file (ODPM_COMPOSE=keep in .env), or move it there with PostgreSQL stopped (same owner, mode 0700)"})
}

// majorOnDisk looks at a bind mount's PG_VERSION, where this user may.
func (f *File) majorOnDisk(s types.ServiceConfig) int {
	for _, v := range s.Volumes {
		dir := v.Source
		if vol, ok := f.Doc.Volumes[v.Source]; ok && v.Type == types.VolumeTypeVolume {
			dir = vol.DriverOpts["device"]
		}
		if !filepath.IsAbs(dir) || !strings.Contains(v.Target, "postgres") {
			continue
		}
		if look := datadir.Look(dir, 0); look.State == datadir.Initialised {
			return look.Major
		}
	}
	return 0
}
