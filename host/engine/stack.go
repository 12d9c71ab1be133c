package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/odpm/odpm/shared/entrypoint"
)

// StackReader looks at the compose project around PostgreSQL, where Docker
// runs it: the Odoo service, its image. engine/docker implements it beside
// Reader; native has none.
type StackReader interface {
	// Config is what `docker compose config` makes of the project's files, the
	// override and every variable included. candidate, when not nil, stands for
	// docker-compose.yml, so that nothing has to be written first. The document
	// holds secrets; the error is compose's own judgement.
	Config(ctx context.Context, candidate []byte) ([]byte, error)
	// ComposeProgram stands for the program behind Config, another after an
	// update; "" where that is not known.
	ComposeProgram() string
	// Image says what an image is; one that is not on this machine is ErrNoImage.
	Image(ctx context.Context, ref string) (Image, error)
	// ImageConf is what an image's configuration says; an image that is not on this
	// machine is ErrNoImage.
	ImageConf(ctx context.Context, ref string) (ImageConf, error)
	// Offered asks an image's registry whether it could be pulled, and pulls
	// nothing. ErrNoImage: the registry has none, or none for this engine's platform;
	// ErrRegistryLogin: it tells nobody without a login, which the client may have;
	// ErrNoRegistry: it could not be asked.
	Offered(ctx context.Context, ref string) error
	// Built lists the images of a repository that odpm built.
	Built(ctx context.Context, repository string) ([]BuiltImage, error)
	// Volume says what the project's volume object is (key is its name in the
	// compose file), the zero value where there is none.
	Volume(ctx context.Context, key string) (Volume, error)
	// Container says what a service's container is doing; the zero value and
	// no error where there is none.
	Container(ctx context.Context, service string) (Container, error)
	// Containers lists the containers of a compose project name, of any
	// working directory.
	Containers(ctx context.Context, project string) ([]Container, error)
	// Processes are the command lines of a service's container, nil where they
	// cannot be seen.
	Processes(ctx context.Context, service string) ([]string, error)
	// ServiceLogs gives the last n lines of a service.
	ServiceLogs(ctx context.Context, service string, n int) (string, error)
	// PortHolder names the container that publishes a host port, "" if none
	// does.
	PortHolder(ctx context.Context, port int) (string, error)
	// CheckAccess tells what uid[:gid] (""= the image's own user) cannot do with
	// host paths, in a short network-less container of the image. It answers
	// with one line a problem.
	CheckAccess(ctx context.Context, image, user string, paths []Access) ([]string, error)
	// EngineInfo says which engine answers.
	EngineInfo(ctx context.Context) (Info, error)
	// Rootless is Info's, asked only of an engine that an ordinary user may run.
	Rootless(ctx context.Context) (bool, error)
	// Sees tells whether a container of the image finds at path, an absolute one
	// of this machine, a file with that content: it looks from a read-only,
	// network-less container. An engine elsewhere has other files there.
	Sees(ctx context.Context, image, path, content string) (bool, error)
	// HostIDs are a container's uid and gid as this machine counts them.
	HostIDs(ctx context.Context, image string, uid, gid int) (hostUID, hostGID int, err error)
	// UserID is the uid and gid of user in a container of the image, "" for the one that
	// it runs as.
	UserID(ctx context.Context, image, user string) (uid, gid int, err error)
}

// StackWriter changes the compose project.
type StackWriter interface {
	StackReader
	// Pull gets an image; one that cannot be pulled is a PullError.
	Pull(ctx context.Context, ref string) error
	// Build makes an image of a context directory. What docker says goes to out.
	Build(ctx context.Context, b Build) error
	// BuildService makes the image of a service that the compose file builds.
	BuildService(ctx context.Context, service string) error
	// Up makes the services run as the compose file says (`up -d`, no
	// dependencies recreated) and returns when their containers were started.
	Up(ctx context.Context, out io.Writer, services ...string) error
	// StopContainer stops one container, which stays, and tells whether it ran.
	StopContainer(ctx context.Context, id string) (bool, error)
	// StopService stops a service's containers and removes them; data stays.
	// A service that the compose file no longer names is found by its labels.
	StopService(ctx context.Context, service string) error
	// RemoveVolume removes a volume object by its name. Data is never removed:
	// only objects of driver local that bind a host directory are touched.
	RemoveVolume(ctx context.Context, name string) error
	// RemoveImage removes a name of an image, and the image with its last name.
	// One that a container uses stays.
	RemoveImage(ctx context.Context, ref string) error
	// Exec runs a program in a container that runs, as the container's own user,
	// with KEY=VALUE added to its environment, and sends both of its streams to
	// out; a code other than 0 is *ExitError.
	Exec(ctx context.Context, c Container, argv, env []string, out io.Writer) error
	// RunOnce runs `docker compose run --rm` and streams; a code other than 0
	// is *ExitError.
	RunOnce(ctx context.Context, r RunOnce) error
}

// Info is what an engine says of itself.
type Info struct {
	// ID stays the same as long as the engine's data do; Podman gives another
	// with every answer.
	ID string
	// Remapped: uids in containers are others on this machine (userns-remap, an
	// engine without root).
	Remapped bool
	// Rootless: an ordinary user runs it, and root in its containers is that user.
	Rootless bool
}

// Person is the uid:gid in a container whose files belong, on this machine, to
// the person who runs odpm: "" for root, who leaves files to the image's own user.
func Person(uid, gid int, rootless bool) string {
	switch {
	case uid == 0:
		return ""
	case rootless:
		return "0:0"
	}
	return fmt.Sprintf("%d:%d", uid, gid)
}

// Access is a right that a container's user must have on a host path.
type Access struct {
	Path string
	// Write: create and rename in a directory; otherwise read a file.
	Write bool
}

// Image is what an image's configuration says.
type Image struct {
	ID, User string
	// Arch is the architecture in Docker's words, which are Go's: "arm64".
	Arch            string
	Entrypoint, Cmd []string
	Env, Labels     map[string]string
	ImageFiles
}

// ImageConf is what an image says itself.
type ImageConf struct {
	// User is who its containers run as, "" for root.
	User string
	Env  map[string]string
}

// IsRoot is whether a container's user, as compose and images write it (UID, NAME,
// with :GROUP), is root; "" is.
func IsRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "root" || strings.Trim(name, "0") == ""
}

// ImageFiles are what only an image's files tell. They never change: an image of
// other files has another ID.
type ImageFiles struct {
	// Checker is where odpm-checker lies in the image, "" if it has none.
	Checker string
	// Script is the shell script in its entrypoint, "" where there is none, and
	// Does what that does.
	Script string
	Does   entrypoint.Script
	// AppendsLogin: all that Script does, as in every form of the official
	// image's, is to give "odoo" options of its own, the login with the password
	// among them; any other command it executes as it stands, and OdooProgram is
	// there.
	AppendsLogin bool
	// Loaders are those of Loaders that the image has; nil where nobody has looked.
	Loaders []string
	// Conf is the image's own /etc/odoo/odoo.conf, "" without one. The project's
	// is mounted over it.
	Conf string
}

// Loaders start dynamically linked programs: glibc's and musl's for the architectures
// that have an Odoo image.
var Loaders = []string{
	"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib64/ld64.so.2", "/lib/ld64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1", "/lib/ld-linux-armhf.so.3",
	"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1", "/lib/ld-musl-armhf.so.1", "/lib/ld-musl-riscv64.so.1",
}

// BuiltImage is an image that odpm built.
type BuiltImage struct {
	// Ref is REPOSITORY:TAG, Base the id of the image that it was made from.
	Ref, ID, Base string
	// Users are the containers, in any state, that were made of it by this name.
	Users []string
}

// Volume is a volume object.
type Volume struct {
	// Name is the one that Docker knows it by.
	Name string
	// Device is the host directory that it binds, "" where it holds data itself.
	Device string
	// Right: the device is the project's data directory as configured.
	Right bool
	// Users are the containers, in any state, that have it mounted.
	Users []string
}

// OdooProgram is Odoo in the official image, by the path that its entrypoint
// executes as it stands.
const OdooProgram = "/usr/bin/odoo"

// LabelBase on an image that odpm built names the image it was made from.
const LabelBase = "io.github.odpm.base"

// Build is one image build.
type Build struct {
	Dir, Tag string
	Args     map[string]string
	Out      io.Writer
}

// Container is a container as Docker sees it.
type Container struct {
	ID, Name, Service, Project, WorkingDir string
	// Running: its program runs; a paused one does not.
	Running, Paused bool
	// Published are the TCP ports that this machine has for it.
	Published []Published
	// HostNetwork: its ports are this machine's own, and none is published.
	HostNetwork bool
	// Health is "healthy", "starting", "unhealthy" or "" without a healthcheck.
	Health   string
	ExitCode int
	Image    string
	Env      map[string]string
	// Argv is what it was started with, entrypoint and command.
	Argv []string
	// StartedAt is the engine's word for its last start: another start has
	// another one.
	StartedAt string
	// RestartCount counts restarts by Docker's policy.
	RestartCount int
	// ConfigHash is compose's hash of the service that it was made from.
	ConfigHash string
	// OneOff: made by `docker compose run`.
	OneOff bool
}

// Made is what compose made of a service, with where its data is.
type Made struct {
	// ID is the engine's.
	ID          string
	Name, Image string
	Env         map[string]string
	Mounts      []Mounted
}

// Mounted is a mount of a container: a volume by the engine's name, or a
// directory of this machine.
type Mounted struct{ Volume, Source, Destination string }

// Published is a port of a container on this machine.
type Published struct {
	HostIP           string
	HostPort, Inside int
}

// RunOnce is a one-off container of a service.
type RunOnce struct {
	Service string
	// Args follow the service's name; empty keeps the service's command.
	Args []string
	// Entrypoint replaces the image's, if set.
	Entrypoint string
	// Env adds KEY=VALUE; values never appear in a process's arguments.
	Env    []string
	NoDeps bool
	// Volumes adds SOURCE:TARGET[:ro] mounts.
	Volumes        []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ErrNoImage: the image is not on this machine, or could not be pulled.
var ErrNoImage = errors.New("no such image")

// PullError is an image that could not be pulled: it is ErrNoImage too.
type PullError struct {
	Ref string
	Err error
}

func (e *PullError) Error() string {
	return e.Ref + " is not on this machine and cannot be pulled: " + e.Err.Error()
}
func (e *PullError) Unwrap() []error { return []error{ErrNoImage, e.Err} }

// ErrRegistryLogin: a registry says nothing about an image without a login, be it
// that there is none. ErrNoRegistry: none could be asked.
var (
	ErrRegistryLogin = errors.New("the registry requires a login")
	ErrNoRegistry    = errors.New("no registry answers")
)

// TheirStack is a compose project that somebody else's file made.
type TheirStack interface {
	// Running are the services that run.
	Running(ctx context.Context) ([]string, error)
	// StopStack stops every container, and tells which services ran.
	StopStack(ctx context.Context) (ran []string, err error)
	// RemoveStack stops the containers, and removes all but those with an ID in
	// keep, which it gives back. Volumes stay, anonymous ones too.
	RemoveStack(ctx context.Context, keep []string) (kept []string, err error)
	// Pull, BuildService, Container and Exec are StackWriter's.
	Pull(ctx context.Context, ref string) error
	BuildService(ctx context.Context, service string) error
	Container(ctx context.Context, service string) (Container, error)
	Exec(ctx context.Context, c Container, argv, env []string, out io.Writer) error
	// CopyData copies into a directory of this machine; the source stays as it is.
	CopyData(ctx context.Context, c CopyData) error
	// Up starts services as the files say, all of them where none is named.
	Up(ctx context.Context, out io.Writer, services ...string) error
}

// CopyData is a volume's, or a container's, part that is copied.
type CopyData struct {
	// Volume or Container is where it is; From is the place in it, absolute, "" for
	// all of a volume.
	Volume, Container, From string
	// To is a directory of this machine, Image one with a shell and cp.
	To, Image string
	// Owner is the new one, uid:gid as a container counts them; "" keeps the old.
	Owner string
}
