package database

import (
	"context"
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
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"

	"github.com/jackc/pgx/v5"
)

// throwawayCluster is one of another major, made for a rehearsal and removed after it.
type throwawayCluster struct {
	server *odoodb.Server
	pg     engine.Writer
	dir    string
	note   string
}

// throwawayNote, in .odpm/state, names the directory and the major of a
// throwaway cluster, for the run after one that was killed.
const throwawayNote = "rehearsal-cluster"

// throwaway starts a new cluster from this machine's programs of that major, in
// the system's temporary directory.
func throwaway(ctx context.Context, s *apply.Run, major int, binDir string) (*throwawayCluster, error) {
	note := filepath.Join(s.Dirs.State(), throwawayNote)
	if err := removeKilled(ctx, s, note); err != nil {
		return nil, fmt.Errorf("the throwaway cluster of an interrupted rehearsal (%s): %w", note, err)
	}
	// The server's own user has to get in.
	dir, err := os.MkdirTemp("", "odpm-rehearsal-")
	if err != nil {
		return nil, err
	}
	t := &throwawayCluster{dir: dir, note: note, pg: throwawayEngine(s, dir, major, 0, binDir)}
	if err := durable.WriteFile(note, fmt.Appendf(nil, "%d %s\n", major, dir), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := t.start(ctx, s, major, binDir); err != nil {
		t.remove(ctx, s.Term)
		return nil, fmt.Errorf("a throwaway cluster of PostgreSQL %d: %w", major, err)
	}
	return t, nil
}

func throwawayEngine(s *apply.Run, dir string, major, port int, binDir string) engine.Writer {
	return engines.Throwaway(filepath.Join(dir, "pg"), filepath.Join(dir, "state"), binDir, major, port, s.Project.AppRole, s.Project.AppPassword)
}

func (t *throwawayCluster) start(ctx context.Context, s *apply.Run, major int, binDir string) error {
	if err := os.Chmod(t.dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"state", "odoo"} {
		if err := os.Mkdir(filepath.Join(t.dir, d), 0o755); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	t.pg = throwawayEngine(s, t.dir, major, port, binDir)
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
	if _, err := c.Exec(ctx, `CREATE ROLE `+pgx.Identifier{s.Project.AppRole}.Sanitize()+` LOGIN CREATEDB`); err != nil {
		return err
	}
	t.server = &odoodb.Server{PG: t.pg, Programs: t.pg, AppRole: s.Project.AppRole, AppPassword: s.Project.AppPassword, Admin: admin,
		Files: filestore.Layout{DataDir: filepath.Join(t.dir, "odoo")}, PostgresDataDir: filepath.Join(t.dir, "pg"), StateDir: filepath.Join(t.dir, "state")}
	return nil
}

// remove stops the server and removes everything of it.
func (t *throwawayCluster) remove(ctx context.Context, term *ui.Terminal) {
	end, done := interrupt.Cleanup(ctx, time.Minute)
	defer done()
	err := t.pg.Stop(end)
	if err == nil {
		err = os.RemoveAll(t.dir)
	}
	if err == nil {
		err = os.Remove(t.note)
	}
	if err != nil {
		term.Warn("the throwaway cluster %s could not be removed, the next rehearsal tries again: %s", ui.Clean(t.dir), ui.Clean(err.Error()))
	}
}

// removeKilled removes what a killed rehearsal has left.
func removeKilled(ctx context.Context, s *apply.Run, note string) error {
	b, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	number, dir, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	major, err := strconv.Atoi(number)
	if err != nil || !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), "odpm-rehearsal-") {
		return fmt.Errorf("the note says %q, which odpm has not written; remove it", b)
	}
	if _, err := os.Lstat(dir); err == nil {
		if err := throwawayEngine(s, dir, major, 0, "").Stop(ctx); err != nil {
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
