package odoodb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/test/localpg"
)

// dockerServer is a project whose PostgreSQL is a container.
func dockerServer(t *testing.T) *Server {
	t.Helper()
	const image = "postgres:15"
	if out, err := exec.Command("docker", "image", "inspect", image).CombinedOutput(); err != nil {
		t.Fatalf("no engine, or no image %s on it: %s; run: make setup", image, out)
	}
	dir, err := os.MkdirTemp("", "odpm-odoodb-docker-")
	if err != nil {
		t.Fatal(err)
	}
	port, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	o := docker.Options{
		Dir: dir, Project: strings.ToLower(filepath.Base(dir)), Service: "db", OdooService: "odoo",
		Files: []string{filepath.Join(dir, "docker-compose.yml")}, VolumeName: "postgres-data",
		DataDir: filepath.Join(dir, "data"), Image: image, Major: 15,
	}
	t.Cleanup(func() {
		_ = exec.Command("docker", "compose", "-p", o.Project, "-f", o.Files[0], "down", "-v", "-t", "2").Run()
		_ = os.RemoveAll(dir)
	})
	compose := fmt.Sprintf(`services:
  db:
    image: %s
    environment: {POSTGRES_PASSWORD: boot-secret}
    ports: ["127.0.0.1:%d:5432"]
    volumes: ["postgres-data:/var/lib/postgresql/data"]
volumes:
  postgres-data:
    driver: local
    driver_opts: {type: none, o: bind, device: %s}
`, image, port, o.DataDir)
	if err := errors.Join(os.Mkdir(o.DataDir, 0o755), os.WriteFile(o.Files[0], []byte(compose), 0o600)); err != nil {
		t.Fatal(err)
	}
	pg := docker.New(o)
	if err := pg.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s := &Server{
		PG: pg, Programs: pg, AppRole: "odoo ü", AppPassword: `p'w "x`, Files: filestore.Layout{DataDir: filepath.Join(dir, "odoo")}, StateDir: filepath.Join(dir, "state"),
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(ctx, pg, cluster.Hints{Password: "boot-secret"}, database)
		},
	}
	mustAdmin(t, s, maintenance, `CREATE ROLE `+ident(s.AppRole)+` LOGIN CREATEDB PASSWORD `+literal(s.AppPassword))
	return s
}

// TestDocker goes once around with the service in a container.
func TestDocker(t *testing.T) {
	s := dockerServer(t)
	odoo := &odooStub{running: true}
	const db = `Kunde "A" ü`
	if _, err := s.Restore(ctx, RestoreOptions{File: "testdata/o18.zip", Database: db, OdooMajor: 18, Odoo: odoo}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		file := filepath.Join(dir, DefaultFile("x", format, fixedTime))
		if _, err := s.Backup(ctx, BackupOptions{Database: db, File: file, Format: format, OdooVersion: "18.0"}); err != nil {
			t.Fatal(err)
		}
		if v, err := Verify(ctx, file, VerifyOptions{}); err != nil || v.Modules != 12 || v.Files != 9 {
			t.Fatalf("%v %+v", err, v)
		}
		rows, schema, files := rowCounts(t, s, db), schemaOf(t, s, db), attachmentSums(t, s, db)
		rep, err := s.Restore(ctx, RestoreOptions{File: file, Database: db, OdooMajor: 18, Odoo: odoo})
		if err != nil || !rep.Replaced || rep.Missing != 0 {
			t.Fatalf("%v %+v", err, rep)
		}
		if rowCounts(t, s, db) != rows || schemaOf(t, s, db) != schema || attachmentSums(t, s, db) != files {
			t.Errorf("%s: the round trip changed something", format)
		}
	}
	all, err := s.List(ctx)
	if err != nil || len(all) != 1 || !all[0].IsOdoo || all[0].OdooVersion != "18.0" {
		t.Errorf("%v %+v", err, all)
	}
	// A backup that is cut short leaves no program in the container.
	work, cancel := context.WithCancel(ctx)
	_, err = s.Backup(work, BackupOptions{Database: db, File: filepath.Join(dir, "cut.zip"), Progress: func(Event) { cancel() }})
	if !errors.Is(err, context.Canceled) || present(filepath.Join(dir, "cut.zip")) {
		t.Errorf("cancelled: %v", err)
	}
	if rep, err := s.Drop(ctx, db); err != nil || rep.Filestore == "" {
		t.Errorf("%v %+v", err, rep)
	}
	noLeftovers(t, s)
}
