// Package foreign reads a compose file that somebody else wrote: which of its
// services are PostgreSQL and Odoo, what odpm's own document would lack of it, and
// which files carry that over.
package foreign

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/shell"
)

// File is a compose file of somebody else's and what odpm needs of it.
type File struct {
	// Dir is the project directory, Files the files that make the document, in
	// compose's order, all absolute. Name is compose's project name.
	Dir, Name string
	Files     []string
	// Postgres and Odoo are the services that were found, nil where none was
	// or where it could not be decided.
	Postgres *Postgres
	Odoo     *Odoo
	// PostgresCandidates and OdooCandidates are all services that could be
	// meant, best first.
	PostgresCandidates, OdooCandidates []string
	// Others are the remaining services.
	Others []string
	// Problems are worth a person's attention, the worst first.
	Problems []Problem
	// Doc is the whole document, interpolated, merged, paths absolute.
	Doc *types.Project

	// Volumes are the engine's by name, nil where none was asked. One that is not there
	// has nothing in it.
	Volumes map[string]bool
	// Settings are odpm's own variables in .env. A service that has .env as an env_file
	// gets them too, and needs none.
	Settings []string

	raw map[string]any
	// unresolved is Doc without what env_file and the variables without a value bring.
	unresolved *types.Project
	// read are all files that make the document: those that Files include or
	// extend too.
	read []string
	// known is PostgreSQL's image by its own configuration.
	known PostgresImage
	// odooEnv is what the image of Odoo sets.
	odooEnv map[string]string
}

// PostgresImage is what an image of PostgreSQL says by its own configuration, and
// no compose file does.
type PostgresImage struct {
	// PGData is where it keeps its data (ENV PGDATA), Major what it runs (ENV
	// PG_MAJOR in the official images, 0 where it is not known).
	PGData string
	Major  int
}

// KnowImage takes in what PostgreSQL's image says, or env of a container of it.
func (f *File) KnowImage(env map[string]string) error {
	major, _ := strconv.Atoi(env["PG_MAJOR"])
	return f.know(PostgresImage{env["PGDATA"], major})
}

// KnowOdooImage takes in the environment that Odoo's image sets: the login may be there.
func (f *File) KnowOdooImage(env map[string]string) error {
	f.odooEnv = env
	return f.Use(f.PostgresService(), f.OdooService())
}

// KnowMajor takes in what a person says.
func (f *File) KnowMajor(major int) error {
	return f.know(PostgresImage{f.known.PGData, major})
}

func (f *File) know(image PostgresImage) error {
	f.known = image
	return f.Use(f.PostgresService(), f.OdooService())
}

// PostgresService is the name of PostgreSQL's service, "" where there is none.
func (f *File) PostgresService() string {
	if f.Postgres == nil {
		return ""
	}
	return f.Postgres.Service
}

// OdooService is the name of Odoo's service, "" where there is none.
func (f *File) OdooService() string {
	if f.Odoo == nil {
		return ""
	}
	return f.Odoo.Service
}

// Problem is what somebody should know of a foreign file before odpm goes on
// with it.
type Problem struct {
	// Code is stable: anonymous_volume, mount_target, tmpfs, candidates,
	// no_postgres, no_odoo, major_unknown, layout, subdirectory, no_port, odoo_port,
	// random_port, open_port, major_old, data_dir, network_mode, no_host, password_in_clear, role, no_password, profile,
	// image_unknown, windows_path, service_name, other_services, build, unset, never_ran.
	Code string
	// Blocking: going on without an answer would not use the same data.
	Blocking bool
	// Message says what and why, Way the next step.
	Message, Way string
}

// Postgres is the PostgreSQL service of a foreign file.
type Postgres struct {
	Service, Image string
	// Tag is the image's tag, or the major in the tag of an image of another
	// product's version; Major is 0 when neither the tag nor the data say it.
	Tag   string
	Major int
	// DataDir is the host directory that holds the cluster as odpm's own
	// compose file would mount it, DataVolume the engine's name of a volume.
	// Both are empty for an anonymous volume or a tmpfs.
	DataDir, DataVolume string
	// DataRel is where the cluster is in DataVolume, "" for where the official
	// image has it. DataFrom is the container whose anonymous volume that is.
	DataRel, DataFrom string
	// VolumeKey is the volume's key in the file.
	VolumeKey string
	// MountSource is what the file itself mounts: a host path or a volume's
	// name. It differs from DataDir where the cluster lies in a subdirectory.
	MountSource string
	// Target is where it is mounted, PGData where the cluster is inside.
	Target, PGData string
	// Bind and Port are what is published, 0 if nothing or a random port is;
	// ContainerPort is where the server listens.
	Bind                string
	Port, ContainerPort int
	// Role, Password and Database are what a new cluster was made with.
	Role, Password, Database string
	// User is compose's user:.
	User string
	// Mounts are all of the service's mounts.
	Mounts []types.ServiceVolumeConfig
}

// Odoo is the Odoo service of a foreign file.
type Odoo struct {
	Service, Image string
	// Version is "17.0" where the image, a build argument or the environment
	// says it.
	Version string
	// HTTPPort and GeventPort are what is published, 0 if nothing is.
	HTTPPort, GeventPort int
	// Host, DBPort, Role, Password are what Odoo gets to log in with, from
	// its environment or command line; empty where odoo.conf decides.
	Host           string
	DBPort         int
	Role, Password string
	// HTTPBind is the address that HTTPPort is published on, "" for every one.
	HTTPBind string
	// ConfPath is the odoo.conf on the host, DataDir the data directory, ""
	// where they are not mounted from the host. DataVolume is the engine's name
	// of the volume that has it, DataRel where it is in there.
	ConfPath, DataDir string
	// ConfTarget is where ConfPath, or ConfText, is in the container.
	ConfTarget string
	// ConfText is an odoo.conf that the compose file itself has, as the content of a
	// config, "" for none.
	ConfText            string
	DataVolume, DataRel string
	// DataTarget is Odoo's data_dir in the container, as the command or odoo.conf
	// says it, else the official image's. DataKnown: one of them says it, or the
	// image is the official one.
	DataTarget string
	DataKnown  bool
	// ownDataDir: nobody says data_dir, and DataTarget is Odoo's own default.
	ownDataDir bool
	// FilestoreVolumes are volumes in the place of filestore in the data
	// directory, or of a database in it: by the place below the data directory.
	FilestoreVolumes map[string]string
	// FilestoreDir is the host directory that is mounted in the place of
	// filestore in the data directory, FilestoreDirs those of single databases.
	FilestoreDir  string
	FilestoreDirs map[string]string
	// User is compose's user:.
	User   string
	Mounts []types.ServiceVolumeConfig
}

// Read reads somebody's compose file as compose would: interpolation, anchors,
// includes, env_file, all profiles, and the override file beside it. path is a
// file, or a directory: then COMPOSE_FILE in env says which files, else compose's
// own names do. env is added over
// the .env file beside it; it is the project's or the process' environment.
func Read(ctx context.Context, path string, env map[string]string) (*File, error) {
	files, err := findFiles(path, env)
	if err != nil {
		return nil, err
	}
	f := &File{Files: files, Dir: filepath.Dir(files[0])}
	warnings, err := f.load(ctx, env)
	if err != nil && versionOne(files[0]) {
		return nil, fmt.Errorf("%s is a file of Compose version 1: its services are at the top level, where docker compose no longer looks for them.\nPut them below a key, services:\n  (echo services:; sed 's/^/  /' %s) > %s        then the same command with that file",
			files[0], shell.Quote(files[0]), shell.Quote(files[0]+".v2.yml"))
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as a compose file: %w\nWhat compose itself says: docker compose -f %s config", files[0], err, files[0])
	}
	f.Name = f.Doc.Name
	for _, w := range warnings {
		f.problem(Problem{Code: "unset", Message: strings.TrimSuffix(w, "."), Way: "set it in the .env beside the file; if it is meant literally, write the dollar sign as $$ (in .env, put the value in single quotes)"})
	}
	f.find()
	if err := f.describe(); err != nil {
		return nil, err
	}
	return f, nil
}

// Use names the services where they are known, POSTGRES_SERVICE_NAME for
// instance, or where Read could not decide. "" keeps what was found.
func (f *File) Use(postgres, odoo string) error {
	for _, name := range []string{postgres, odoo} {
		if _, ok := f.Doc.Services[name]; name != "" && !ok {
			return fmt.Errorf("%s has no service %q; it has: %s", f.Files[0], name, strings.Join(f.Doc.ServiceNames(), ", "))
		}
	}
	if postgres != "" {
		f.Postgres = &Postgres{Service: postgres}
	}
	if odoo != "" {
		f.Odoo = &Odoo{Service: odoo}
	}
	f.Problems = slices.DeleteFunc(f.Problems, func(p Problem) bool { return p.Code != "unset" })
	return f.describe()
}

func (f *File) problem(p Problem) { f.Problems = append(f.Problems, p) }

// describe fills in what the two services say and what is wrong with it.
func (f *File) describe() error {
	if f.Odoo != nil {
		f.describeOdoo(f.Doc.Services[f.Odoo.Service])
	} else {
		f.undecided("Odoo", "no_odoo", f.OdooCandidates, "name the service in .env: ODOO_SERVICE_NAME=NAME. odpm recognises Odoo by a service's image, mounts or environment")
	}
	if f.Postgres != nil {
		if err := f.describePostgres(f.Doc.Services[f.Postgres.Service]); err != nil {
			return err
		}
	} else {
		f.undecided("PostgreSQL", "no_postgres", f.PostgresCandidates, `printf '\nODPM_POSTGRES=external\n' >> .env        if PostgreSQL runs elsewhere`)
	}
	f.Others = nil
	for _, name := range f.Doc.ServiceNames() {
		if (f.Postgres == nil || name != f.Postgres.Service) && (f.Odoo == nil || name != f.Odoo.Service) {
			f.Others = append(f.Others, name)
		}
	}
	slices.SortStableFunc(f.Problems, func(a, b Problem) int {
		switch {
		case a.Blocking == b.Blocking:
			return 0
		case a.Blocking:
			return -1
		}
		return 1
	})
	return nil
}

func (f *File) undecided(what, none string, candidates []string, way string) {
	if len(candidates) < 2 {
		f.problem(Problem{Code: none, Blocking: true, Message: fmt.Sprintf("no service of %s is recognised as %s; it has: %s",
			filepath.Base(f.Files[0]), what, strings.Join(f.Doc.ServiceNames(), ", ")), Way: way})
		return
	}
	key := "POSTGRES_SERVICE_NAME=" + candidates[0] + " in .env"
	if what == "Odoo" {
		key = "ODOO_SERVICE_NAME=" + candidates[0] + " in .env; the others run beside it, from docker-compose.override.yml"
	}
	f.problem(Problem{Code: "candidates", Blocking: true, Message: fmt.Sprintf("several services could be %s: %s", what, strings.Join(candidates, ", ")), Way: "say which: " + key})
}
