package world_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

// shop is a native project on a free port, in a directory that the server's
// user can reach.
func shop(t *testing.T) (context.Context, *inputs.Inputs) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	dir, err := os.MkdirTemp("", "odpm-world-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for name, text := range map[string]string{
		".env":      fmt.Sprintf("ODPM_RUNTIME=native\nPOSTGRES_DATA_DIR=pg\nPOSTGRES_PORT=%d\n", port),
		"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0"}`,
		"odoo.conf": "[options]\ndb_host = localhost\ndb_user = odoo\ndb_password = s3cret\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := inputs.Read(ctx, dir, os.Environ(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ctx, in
}

// everything lists a directory with what a write would change.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReadNative: what is there before the first run, with a server, and after
// it; a look leaves no trace.
func TestReadNative(t *testing.T) {
	ctx, in := shop(t)
	readers, err := engines.Open(ctx, in, engines.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := world.NewReader(in, readers)
	read := func() *world.World {
		t.Helper()
		w, err := r.Read(ctx, world.Run{})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	before := everything(t, in.Project.Dir)
	w := read()
	if w.Kind != engines.Native || w.Stack || w.Disk.State != datadir.Missing || w.Status.Running || w.Server != nil || w.Snapshot != nil || len(w.Holders) != 0 {
		t.Errorf("before the first run: %+v", w)
	}
	if everything(t, in.Project.Dir) != before {
		t.Error("a look changed the project's directory")
	}

	// Where Odoo writes below its data directory its user is asked about.
	var dirs []string
	for _, name := range []string{"filestore", "sessions", "addons"} {
		dirs = append(dirs, filepath.Join(in.Project.OdooDataDir, name))
		if err := os.MkdirAll(dirs[len(dirs)-1], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if w = read(); !slices.Equal(w.Files.OdooDirs, dirs) {
		t.Errorf("%q, want %q", w.Files.OdooDirs, dirs)
	}

	if err := in.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	pg := writers.Open(in, readers, func(string) {})
	t.Cleanup(func() { pg.Own.Stop(context.WithoutCancel(ctx)) })
	if err := pg.Own.Start(ctx); err != nil {
		t.Fatal(err)
	}
	w = read()
	if w.Disk.State != datadir.Initialised || w.Disk.Major != 15 || !w.Status.Ready || w.Server == nil || w.Elsewhere != nil {
		t.Fatalf("with a server: %+v", w)
	}
	if w.Server.SystemIdentifier != w.Disk.SystemIdentifier || w.Server.Major != 15 || w.Server.AppRolePresent == nil || *w.Server.AppRolePresent {
		t.Errorf("%+v", w.Server)
	}
	if w.Addr != net.JoinHostPort("127.0.0.1", strconv.Itoa(in.Project.PostgresPort)) {
		t.Errorf("address %q", w.Addr)
	}

	// What it answers it adds to a World of its own.
	q := world.PortQuestion{Bind: "127.0.0.1", Port: in.Project.PostgresPort}
	more, err := r.Answer(ctx, w, world.Questions{Ports: []world.PortQuestion{q}, RoleSQL: true})
	if err != nil {
		t.Fatal(err)
	}
	if p := more.Ports[q]; p.Free || p.Next == 0 || p.Next == q.Port || w.Ports != nil || w.RoleSQL != nil {
		t.Errorf("%+v, and of the World that was asked about %+v %+v", p, w.Ports, w.RoleSQL)
	}
	if sql := strings.Join(more.RoleSQL.Lines, "\n"); !strings.Contains(sql, `CREATE ROLE "odoo"`) || strings.Contains(sql, "s3cret") {
		t.Errorf("%s", sql)
	}

	if err := pg.Own.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if w = read(); w.Status.Running || w.Server != nil || w.Disk.State != datadir.Initialised {
		t.Errorf("after it: %+v", w)
	}
}

// TestLastRun: what the last run left is found under the names of then.
func TestLastRun(t *testing.T) {
	p := &project.Project{Name: "shop", PlainName: "shop", OdooServiceName: "odoo", ServiceName: "db"}
	container := func(service string, running bool) world.Container {
		return world.Container{Container: engine.Container{Service: service, Running: running}, Here: true}
	}
	w := &world.World{}
	if w.LastProject(p) != "shop" || w.LastOdoo() != "odoo" || w.Leftovers(p) != nil {
		t.Errorf("without a snapshot: %q %q %v", w.LastProject(p), w.LastOdoo(), w.Leftovers(p))
	}
	w.Snapshot = &snapshot.Snapshot{}
	w.Snapshot.Compose.ProjectName, w.Snapshot.Compose.ServiceName, w.Snapshot.Compose.OdooServiceName = "old", "db", "web"
	w.Last = []world.Container{container("db", true), container("mail", true), container("web", true), container("cron", false), {Container: engine.Container{Service: "web", Running: true, OneOff: true}, Here: true}}
	var names []string
	for _, c := range w.Leftovers(p) {
		names = append(names, c.Service)
	}
	// Odoo first, PostgreSQL and what stands still not at all.
	if got := strings.Join(names, " "); got != "web mail" {
		t.Errorf("%q", got)
	}
	mine := world.Holder{Holder: engine.Holder{Kind: "container", Project: "old", Service: "db"}, Here: true}
	if other := (world.Holder{Holder: engine.Holder{Kind: "container", Project: "others", Service: "db"}, Here: true}); !w.OldService(mine, p) || w.OldService(other, p) {
		t.Error("whose the holder is")
	}
	if mine.Here = false; w.OldService(mine, p) {
		t.Error("a project of the same name in another directory")
	}
}

// TestRememberedProcess: a pid that was given anew is another process.
func TestRememberedProcess(t *testing.T) {
	_, in := shop(t)
	if err := in.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	remember := func(text string) world.OdooProcess {
		t.Helper()
		if err := in.Dirs.Remember("odoo.pid", text); err != nil {
			t.Fatal(err)
		}
		return world.RememberedProcess(in.Dirs)
	}
	pid := strconv.Itoa(os.Getpid())
	if p := remember(pid + " " + world.Birth(os.Getpid()) + " id"); !p.Runs() || p.ID != "id" {
		t.Errorf("%+v", p)
	}
	if p := remember(pid + " 1 id"); p.Runs() {
		t.Errorf("%+v", p)
	}
	if p := remember("words"); p != (world.OdooProcess{}) {
		t.Errorf("%+v", p)
	}
}
