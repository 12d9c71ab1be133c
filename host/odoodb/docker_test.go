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
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/test/localpg"
)

// dockerServer is a project whose PostgreSQL is a container.
func dockerServer(t *testing.T) *server.Server {
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
	s := &server.Server{
		PG: pg, Programs: pg, AppRole: "odoo ü", AppPassword: `p'w "x`, Files: filestore.Layout{DataDir: filepath.Join(dir, "odoo")}, StateDir: filepath.Join(dir, "state"),
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(ctx, pg, cluster.Hints{Password: "boot-secret"}, database)
		},
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE ROLE `+quote.Ident(s.AppRole)+` LOGIN CREATEDB PASSWORD `+quote.Literal(s.AppPassword))
	return s
}

// TestDocker goes once around with the service in a container.
func TestDocker(t *testing.T) {
	s := dockerServer(t)
	odoo := &odoodbtest.OdooStub{Runs: true}
	const db = `Kunde "A" ü`
	if _, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: db, OdooMajor: 18, Odoo: odoo}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		file := filepath.Join(dir, backup.DefaultFile("x", format, fixedTime))
		if _, err := backup.Run(ctx, s, backup.Options{Database: db, File: file, Format: format, OdooVersion: "18.0"}); err != nil {
			t.Fatal(err)
		}
		if v, err := verify.File(ctx, file, verify.Options{}); err != nil || v.Modules != 12 || v.Files != 9 {
			t.Fatalf("%v %+v", err, v)
		}
		rows, schema, files := odoodbtest.RowCounts(t, s, db), odoodbtest.SchemaOf(t, s, db), odoodbtest.AttachmentSums(t, s, db)
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: db, OdooMajor: 18, Odoo: odoo})
		if err != nil || !rep.Replaced || rep.Missing != 0 {
			t.Fatalf("%v %+v", err, rep)
		}
		if odoodbtest.RowCounts(t, s, db) != rows || odoodbtest.SchemaOf(t, s, db) != schema || odoodbtest.AttachmentSums(t, s, db) != files {
			t.Errorf("%s: the round trip changed something", format)
		}
	}
	all, err := List(ctx, s)
	if err != nil || len(all) != 1 || !all[0].IsOdoo || all[0].OdooVersion != "18.0" {
		t.Errorf("%v %+v", err, all)
	}
	// A backup that is cut short leaves no program in the container.
	work, cancel := context.WithCancel(ctx)
	_, err = backup.Run(work, s, backup.Options{Database: db, File: filepath.Join(dir, "cut.zip"), Progress: func(progress.Event) { cancel() }})
	if !errors.Is(err, context.Canceled) || odoodbtest.Present(filepath.Join(dir, "cut.zip")) {
		t.Errorf("cancelled: %v", err)
	}
	if rep, err := drop.Database(ctx, s, db); err != nil || rep.Filestore == "" {
		t.Errorf("%v %+v", err, rep)
	}
	odoodbtest.NoLeftovers(t, s)
}
