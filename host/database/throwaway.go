package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
)

// throwawayCluster is one of another major, made for a rehearsal and removed after it.
type throwawayCluster struct {
	server *server.Server
	pg     engine.Writer
	// discard stops it and removes what is not in dir.
	discard func(context.Context) error
	dir     string
	note    string
}

// throwawayNote, in .odpm/state, names the directory and the major of a
// throwaway cluster, for the run after one that was killed.
const throwawayNote = "rehearsal-cluster"

// throwawayPrefix begins the name of its directory, and of its compose project.
const throwawayPrefix = "odpm-rehearsal-"

// throwaway starts a new cluster in the system's temporary directory, from this
// machine's programs of that major or from an image.
func throwaway(ctx context.Context, s *apply.Run, req RehearseRequest) (*throwawayCluster, error) {
	note := filepath.Join(s.Dirs.State(), throwawayNote)
	if err := removeKilled(ctx, s, note); err != nil {
		return nil, fmt.Errorf("the throwaway cluster of an interrupted rehearsal (%s): %w", note, err)
	}
	image, err := throwawayImage(ctx, s, req)
	if err != nil {
		return nil, err
	}
	// The server's own user has to get in.
	dir, err := os.MkdirTemp("", throwawayPrefix)
	if err != nil {
		return nil, err
	}
	kind := engines.Native
	if image != "" {
		kind = engines.Docker
	}
	t := &throwawayCluster{dir: dir, note: note}
	if err := durable.WriteFile(note, fmt.Appendf(nil, "%d %s %s\n", req.Major, kind, dir), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := t.start(ctx, s, req, image); err != nil {
		t.remove(ctx, s.Term)
		return nil, fmt.Errorf("a throwaway cluster of PostgreSQL %d: %w", req.Major, err)
	}
	return t, nil
}

// throwawayImage is the image that a rehearsal takes: the one that is named, the
// official one where the project's PostgreSQL is a container as well, or where this
// machine has no programs of that major. "" means programs.
func throwawayImage(ctx context.Context, s *apply.Run, req RehearseRequest) (string, error) {
	official := fmt.Sprintf("postgres:%d", req.Major)
	switch {
	case req.Image != "" || req.BinDir != "":
		return req.Image, nil
	case s.Readers.Kind == engines.Docker:
		return official, nil
	}
	missing := engines.ThrowawayAvailable(ctx, req.Major)
	if missing == nil || ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err := engines.DockerAnswers(ctx); err != nil {
		return "", fmt.Errorf("%w\nNor is there a Docker engine for a container of %s: %w", missing, official, err)
	}
	return official, nil
}

func throwawayNative(s *apply.Run, dir string, major, port int, binDir string) engine.Writer {
	return engines.Throwaway(filepath.Join(dir, "pg"), filepath.Join(dir, "state"), binDir, major, port, s.Project.AppRole, s.Project.AppPassword)
}

func (t *throwawayCluster) start(ctx context.Context, s *apply.Run, req RehearseRequest, image string) error {
	if err := os.Chmod(t.dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"state", "odoo"} {
		if err := os.Mkdir(filepath.Join(t.dir, d), 0o755); err != nil {
			return err
		}
	}
	if image != "" {
		c := engines.ThrowawayContainer(s.Inputs, t.dir, req.Major)
		if err := c.Make(image, rand.Text()); err != nil {
			return err
		}
		t.pg, t.discard = c, c.Discard
		s.Term.Step("starting a throwaway PostgreSQL %d (container of %s)", req.Major, ui.Clean(image))
	} else {
		port, err := freePort()
		if err != nil {
			return err
		}
		e := throwawayNative(s, t.dir, req.Major, port, req.BinDir)
		t.pg, t.discard = e, e.Stop
		s.Term.Step("starting a throwaway PostgreSQL %d", req.Major)
	}
	if err := t.pg.Start(ctx); err != nil {
		return err
	}
	startup := &cluster.Startup{}
	admin := func(ctx context.Context, database string) (*cluster.Session, error) {
		return cluster.Admin(ctx, t.pg, cluster.Hints{Password: s.Project.AppPassword, Startup: startup}, database)
	}
	c, err := admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var num int
	if err := c.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num'::pg_catalog.text)::int`).Scan(&num); err != nil {
		return err
	}
	if num/10000 != req.Major {
		return fmt.Errorf("%s is PostgreSQL %d; name an image of %d: --pg-image", image, num/10000, req.Major)
	}
	if _, err := c.Exec(ctx, `CREATE ROLE `+quote.Ident(s.Project.AppRole)+` LOGIN CREATEDB`); err != nil {
		return err
	}
	t.server = &server.Server{PG: t.pg, Programs: t.pg, AppRole: s.Project.AppRole, AppPassword: s.Project.AppPassword, Admin: admin,
		Files: filestore.Layout{DataDir: filepath.Join(t.dir, "odoo")}, PostgresDataDir: filepath.Join(t.dir, "pg"), StateDir: filepath.Join(t.dir, "state")}
	return nil
}

// remove stops the server and removes everything of it.
func (t *throwawayCluster) remove(ctx context.Context, term *ui.Terminal) {
	end, done := interrupt.Cleanup(ctx, time.Minute)
	defer done()
	var err error
	if t.discard != nil {
		err = t.discard(end)
	}
	if err == nil {
		err = os.RemoveAll(t.dir)
	}
	if err == nil {
		err = os.Remove(t.note)
	}
	if err != nil {
		term.Warn("the throwaway cluster %s could not be removed; the next rehearsal tries again: %s", ui.Clean(t.dir), ui.Clean(err.Error()))
	}
}

// removeKilled removes what a killed rehearsal has left.
func removeKilled(ctx context.Context, s *apply.Run, note string) error {
	b, err := s.Dirs.Read(filepath.Base(note))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, state.MoveAside(note))
	}
	number, rest, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	kind, dir, _ := strings.Cut(rest, " ")
	if filepath.IsAbs(rest) { // of an odpm that had programs alone
		kind, dir = engines.Native, rest
	}
	major, err := strconv.Atoi(number)
	if err != nil || !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), throwawayPrefix) || kind != engines.Native && kind != engines.Docker {
		return fmt.Errorf("the note says %.200q, which odpm did not write; %s", b, state.MoveAside(note))
	}
	if _, err := os.Lstat(dir); err == nil {
		if kind == engines.Docker {
			err = engines.ThrowawayContainer(s.Inputs, dir, major).Discard(ctx)
		} else {
			err = throwawayNative(s, dir, major, 0, "").Stop(ctx)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return os.Remove(note)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
