// Package native runs the project's PostgreSQL with PostgreSQL's own binaries
// on this machine: for machines and CI runners without Docker.
package native

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/shell"
)

// Options are what the engine must know of the project.
type Options struct {
	// DataDir is the mounted path of the project: the cluster itself up to 17,
	// its parent from 18 on.
	DataDir string
	// Major is the wanted major; binaries of that major are looked for.
	Major int
	// Bind and Port are where the server listens for TCP.
	Bind string
	Port int
	// StateDir takes the log (.odpm/state).
	StateDir string
	// Password gives the bootstrap superuser's password for a new cluster.
	Password func() (string, error)
	// AppRole may use the socket of a new cluster without a password, as the
	// server's own operating-system user.
	AppRole string
	// BinDir is where a person says that the programs are, "" for the usual
	// places. BinDirFrom is where that is said: ODPM_PG_BINDIR, --pg-bindir.
	BinDir, BinDirFrom string
	// ContainerHolders asks Docker, where it answers, who has a path mounted.
	ContainerHolders func(ctx context.Context, path string) ([]engine.Holder, error)
}

// Reader looks. It implements engine.Reader.
type Reader struct{ o Options }

// Engine looks and acts. It implements engine.Writer.
type Engine struct{ *Reader }

var (
	_ engine.Reader = (*Reader)(nil)
	_ engine.Writer = (*Engine)(nil)
)

// NewReader makes one; nothing is looked for yet.
func NewReader(o Options) *Reader {
	if o.Bind == "" {
		o.Bind = "127.0.0.1"
	}
	return &Reader{o}
}

// New makes an engine that also acts.
func New(o Options) *Engine { return &Engine{NewReader(o)} }

// Kind is "native".
func (e *Reader) Kind() string { return "native" }

// Look reads the data directory as this user may.
func (e *Reader) Look(context.Context) (datadir.Facts, error) {
	return e.look(), nil
}

// clusterDir is where PG_VERSION is, or will be.
func (e *Reader) clusterDir() string {
	if dir := datadir.ClusterDir(e.o.DataDir, e.o.Major); dir != "" {
		return filepath.Join(e.o.DataDir, dir)
	}
	if e.o.Major >= 18 {
		return filepath.Join(e.o.DataDir, strconv.Itoa(e.o.Major), "docker")
	}
	return e.o.DataDir
}

// Status reads postmaster.pid, which the server itself keeps current; no
// connection is made, so nothing is written to the server's log.
func (e *Reader) Status(context.Context) (engine.Status, error) {
	f := e.look()
	s := engine.Status{Exists: f.State == datadir.Initialised}
	pm, err := readPostmaster(e.clusterDir())
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		// What this user may not read it cannot start either: Start says so.
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if pm.alive() && !pm.single {
		s.Running, s.Ready, s.ID = true, pm.ready(), "pid "+strconv.Itoa(pm.pid)
	}
	return s, nil
}

// Holders: a live postmaster on the directory, and whatever containers Docker
// knows of.
func (e *Reader) Holders(ctx context.Context) ([]engine.Holder, error) {
	var out []engine.Holder
	pm, err := readPostmaster(e.clusterDir())
	switch {
	case err == nil && pm.alive() && pm.single && e.initRuns():
		// The initdb of a run that was killed; Start waits for its end.
	case err == nil && pm.alive() && pm.single:
		out = append(out, engine.Holder{
			Kind: "single-user session (postgres --single)", Name: "pid " + strconv.Itoa(pm.pid), WorkingDir: pm.dataDir,
			StopCommand: "kill -TERM " + strconv.Itoa(pm.pid),
		})
	case err == nil && pm.alive():
		out = append(out, engine.Holder{
			Kind: "postmaster", Name: "pid " + strconv.Itoa(pm.pid), WorkingDir: pm.dataDir,
			Own:         pm.port == e.o.Port,
			StopCommand: "kill -INT " + strconv.Itoa(pm.pid),
		})
	case err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission):
		return nil, err
	}
	if e.o.ContainerHolders != nil {
		more, err := e.o.ContainerHolders(ctx, e.o.DataDir)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// Serves compares with the cluster's directory; a postgresql.conf may name
// another data_directory.
func (e *Reader) Serves(_ context.Context, dataDirectory string) (ok bool, where string, err error) {
	pm, err := e.running()
	if err != nil {
		return false, "", err
	}
	if dataDirectory == "" {
		dataDirectory = pm.dataDir
	}
	mine, err := os.Stat(e.clusterDir())
	if err != nil {
		return false, dataDirectory, err
	}
	theirs, err := os.Stat(dataDirectory)
	if err != nil {
		return false, dataDirectory, err
	}
	return os.SameFile(mine, theirs), dataDirectory, nil
}

// HostAddr is where the running server listens.
func (e *Reader) HostAddr(context.Context) (string, error) {
	pm, err := e.running()
	if err != nil {
		return "", err
	}
	host := pm.listen
	switch host {
	case "":
		return "", nil
	case "*", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.Itoa(pm.port)), nil
}

// Dial opens the server's socket as the server's operating-system user, so
// that peer in pg_hba.conf works for root too.
func (e *Reader) Dial(ctx context.Context) (net.Conn, error) {
	pm, err := e.running()
	if err != nil {
		return nil, err
	}
	if pm.socketDir == "" {
		return nil, fmt.Errorf("the server (pid %d) has no Unix socket; set unix_socket_directories in its postgresql.conf", pm.pid)
	}
	as, err := e.userOf(pm.clusterDir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(pm.socketDir, ".s.PGSQL."+strconv.Itoa(pm.port))
	conn, err := dialAs(ctx, path, as)
	if err != nil {
		return nil, err
	}
	// postmaster.pid says where the socket is, and in a directory like /tmp
	// others make sockets too: the administrator's password is not for them.
	if pid, uid, known := listener(conn); known && (pid != pm.pid || uid != as.uid) {
		conn.Close()
		return nil, fmt.Errorf("%s is not the socket of the server on %s (pid %d): process %d of user %s listens there. To inspect it: ps -p %d", path, e.o.DataDir, pm.pid, pid, userName(uid), pid)
	}
	return conn, nil
}

func (e *Reader) running() (*postmaster, error) {
	pm, err := readPostmaster(e.clusterDir())
	if err != nil || !pm.alive() {
		return nil, fmt.Errorf("PostgreSQL is not running on %s; start it: odpm", e.o.DataDir)
	}
	return pm, nil
}

// identity is the operating-system user a server runs as.
type identity struct {
	uid, gid int
	name     string
}

// serverUser is who PostgreSQL runs as: this user; as root, which PostgreSQL
// refuses, the directory's owner, or postgres for a directory of root's.
func (e *Reader) serverUser() (identity, error) { return e.userOf(e.clusterDir()) }

func (e *Reader) userOf(clusterDir string) (identity, error) {
	if os.Geteuid() != 0 {
		return identity{os.Geteuid(), os.Getegid(), userName(os.Geteuid())}, nil
	}
	if info, err := os.Stat(clusterDir); err == nil {
		st := info.Sys().(*syscall.Stat_t)
		if st.Uid != 0 {
			return identity{int(st.Uid), int(st.Gid), userName(int(st.Uid))}, nil
		}
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return identity{}, errors.New("PostgreSQL does not run as root, the data directory belongs to root, and there is no user postgres. Run odpm as the user who owns the project, or give the directory to a user USER: sudo chown -R USER " + shell.Quote(e.o.DataDir))
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return identity{uid, gid, u.Username}, nil
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// attr makes a process of that user's.
func (id identity) attr() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid)}}
}
