package docker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
)

// stack is a project with two services that sleep and one that both need.
func stack(t *testing.T) docker.Options {
	t.Helper()
	o := project(t)
	write(t, o, fmt.Sprintf(`services:
  db:
    image: %[1]s
    command: ["sleep", "1000"]
    init: true
    volumes: ["postgres-data:/var/lib/postgresql/data"]
  redis:
    image: %[1]s
    command: ["sleep", "1000"]
    init: true
    environment: {TUNED: "${TUNED:-no}"}
  odoo:
    image: %[1]s
    entrypoint: ["sh", "-c"]
    command: ["echo the log says $$GREETING; exec sleep 1000"]
    init: true
    environment: {GREETING: "${GREETING:-nothing}"}
    ports: ["127.0.0.1:%[3]d:8069"]
    depends_on: [db, redis]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
volumes:
  postgres-data:
    driver: local
    driver_opts: {type: none, o: bind, device: %[2]s}
`, image, o.DataDir, freePort(t)))
	return o
}

func TestConfigJudges(t *testing.T) {
	ctx := limit(t)
	o := stack(t)
	e := docker.New(o)
	if _, err := e.Config(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := e.Config(ctx, []byte("services: {db: {image: x, volums: [a]}}")); err == nil || !strings.Contains(err.Error(), "volums") {
		t.Errorf("%v", err)
	}
	if _, err := e.Config(ctx, []byte("services: {db: {image: x}}")); err != nil {
		t.Error(err)
	}
	// The override counts, with the candidate too.
	over := filepath.Join(o.Dir, "docker-compose.override.yml")
	if err := os.WriteFile(over, []byte("services: {db: {depends_on: [missing]}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Files = append(o.Files, over)
	for _, candidate := range [][]byte{nil, []byte("services: {db: {image: x}}")} {
		if _, err := docker.New(o).Config(ctx, candidate); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%v", err)
		}
	}
}

func TestUpAndStopService(t *testing.T) {
	ctx := limit(t)
	o := stack(t)
	o.Env = []string{"GREETING=good morning"}
	e := docker.New(o)
	if c, err := e.Container(ctx, "odoo"); err != nil || c.ID != "" {
		t.Errorf("%+v %v", c, err)
	}
	var said bytes.Buffer
	if err := e.Up(ctx, &said, "odoo"); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if !strings.Contains(said.String(), "odoo") {
		t.Errorf("nothing was said: %q", said.String())
	}
	redis, err := e.Container(ctx, "redis")
	if err != nil || !redis.Running {
		t.Fatalf("a dependency does not run: %+v %v", redis, err)
	}
	if db, err := e.Container(ctx, "db"); err != nil || db.ID != "" {
		t.Errorf("PostgreSQL was started by the way: %+v %v", db, err)
	}
	odoo, err := e.Container(ctx, "odoo")
	if err != nil || !odoo.Running || odoo.Project != o.Project || odoo.Service != "odoo" || odoo.WorkingDir != o.Dir || odoo.Env["GREETING"] != "good morning" || odoo.Image != image {
		t.Errorf("%+v %v", odoo, err)
	}
	for end := time.Now().Add(20 * time.Second); odoo.Health != "healthy" && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		odoo, _ = e.Container(ctx, "odoo")
	}
	if odoo.Health != "healthy" {
		t.Errorf("health %q", odoo.Health)
	}
	if log, err := e.ServiceLogs(ctx, "odoo", 5); err != nil || log != "the log says good morning" {
		t.Errorf("%q %v", log, err)
	}
	if all, err := e.Containers(ctx, o.Project); err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}

	// A changed Odoo is made anew; what it depends on is not, changed or not.
	o.Env = []string{"GREETING=good evening", "TUNED=yes"}
	e = docker.New(o)
	if err := e.Up(ctx, nil, "odoo"); err != nil {
		t.Fatal(err)
	}
	if c, _ := e.Container(ctx, "odoo"); c.ID == odoo.ID || c.Env["GREETING"] != "good evening" {
		t.Errorf("%+v", c)
	}
	if c, _ := e.Container(ctx, "redis"); c.ID != redis.ID {
		t.Error("a dependency was recreated")
	}

	// A service that the file does not name any more.
	write(t, o, "services: {other: {image: x}}")
	if err := e.StopService(ctx, "odoo"); err != nil {
		t.Fatal(err)
	}
	if c, err := e.Container(ctx, "odoo"); err != nil || c.ID != "" {
		t.Errorf("%+v %v", c, err)
	}
	if err := e.StopService(ctx, "odoo"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := e.StopService(ctx, "redis"); err != nil {
		t.Error(err)
	}
}

func TestPortHolder(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	port := freePort(t)
	e := docker.New(o)
	if who, err := e.PortHolder(ctx, port); err != nil || who != "" {
		t.Errorf("%q %v", who, err)
	}
	name := o.Project + "-port"
	run(t, "run", "-d", "--rm", "--name", name, "-p", fmt.Sprintf("127.0.0.1:%d:80", port), "--init", "--entrypoint", "sleep", image, "1000")
	t.Cleanup(func() { run(t, "rm", "-f", name) })
	if who, err := e.PortHolder(ctx, port); err != nil || who != name {
		t.Errorf("%q %v", who, err)
	}
}

// A container that ends and is started again has its port only now and then;
// whoever asks in between must not be told of a stranger.
func TestPortHolderRestarting(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	port := freePort(t)
	name := o.Project + "-again"
	run(t, "run", "-d", "--restart", "always", "--name", name, "-p", fmt.Sprintf("127.0.0.1:%d:80", port), "--entrypoint", "false", image)
	t.Cleanup(func() { run(t, "rm", "-f", name) })
	for between := 0; between < 3; {
		if ctx.Err() != nil {
			t.Fatal("it never waited for its next start")
		}
		state := strings.TrimSpace(run(t, "inspect", "-f", "{{.State.Restarting}} {{len .NetworkSettings.Ports}}", name))
		if state != "true 0" {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		between++
		if who, err := docker.New(o).PortHolder(ctx, port); err != nil || who != name {
			t.Errorf("%q %v", who, err)
		}
	}
}

func TestRunOnce(t *testing.T) {
	ctx := limit(t)
	o := stack(t)
	e := docker.New(o)
	var out, errs bytes.Buffer
	err := e.RunOnce(ctx, engine.RunOnce{
		Service: "odoo", NoDeps: true, Env: []string{"SECRET=s3cr'et $x"}, Volumes: []string{o.Dir + ":/mnt/here:ro"},
		Args: []string{`echo "$SECRET"; ls /mnt/here; cat; echo oops >&2`}, Stdin: strings.NewReader("from stdin\n"), Stdout: &out, Stderr: &errs,
	})
	if err != nil || out.String() != "s3cr'et $x\ndata\ndocker-compose.yml\nfrom stdin\n" {
		t.Errorf("%q %q %v", out.String(), errs.String(), err)
	}
	if errs.String() != "oops\n" {
		t.Errorf("stderr is not the program's own: %q", errs.String())
	}
	err = e.RunOnce(ctx, engine.RunOnce{Service: "odoo", NoDeps: true, Entrypoint: "sh", Args: []string{"-c", "echo why >&2; exit 7"}})
	var exit *engine.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Program != "sh" || !strings.Contains(exit.Stderr, "why") {
		t.Errorf("%v", err)
	}
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err = e.RunOnce(short, engine.RunOnce{Service: "odoo", NoDeps: true, Args: []string{"exec sleep 1000"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if all, err := e.Containers(ctx, o.Project); err != nil || len(all) != 0 {
		t.Errorf("left behind: %+v %v", all, err)
	}
}

func TestVolume(t *testing.T) {
	ctx := limit(t)
	o := stack(t)
	e := docker.New(o)
	name := o.Project + "_postgres-data"
	if v, err := e.Volume(ctx, "postgres-data"); err != nil || v.Name != "" {
		t.Errorf("without a volume: %+v %v", v, err)
	}
	if err := e.RemoveVolume(ctx, name); err != nil {
		t.Errorf("without a volume: %v", err)
	}
	run(t, "compose", "-p", o.Project, "-f", o.Files[0], "create", "db")
	exists := func() bool { return strings.Contains(run(t, "volume", "ls", "-q"), name) }
	link := filepath.Join(o.Dir, "link")
	if err := os.Symlink(o.DataDir, link); err != nil {
		t.Fatal(err)
	}
	at := func(dir string) engine.Volume {
		t.Helper()
		there := o
		there.DataDir = dir
		v, err := docker.NewReader(there).Volume(ctx, "postgres-data")
		if err != nil || v.Name != name {
			t.Fatalf("%s: %+v %v", dir, v, err)
		}
		return v
	}
	for _, same := range []string{o.DataDir, o.DataDir + "/", link} {
		if !at(same).Right {
			t.Errorf("%s is the same directory", same)
		}
	}
	if v := at(filepath.Join(o.Dir, "other")); v.Right || v.Device != o.DataDir || !slices.Contains(v.Users, o.Project+"-db-1") {
		t.Errorf("another directory: %+v", v)
	}
	if err := e.RemoveVolume(ctx, name); err == nil || !exists() {
		t.Errorf("a container uses it: %v", err)
	}
	if err := e.StopService(ctx, "db"); err != nil {
		t.Fatal(err)
	}
	keep := filepath.Join(o.DataDir, "keep")
	if err := os.WriteFile(keep, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := e.RemoveVolume(ctx, name); err != nil || exists() {
		t.Errorf("it should be gone: %v", err)
	}
	if _, err := os.Stat(keep); err != nil {
		t.Errorf("data went with the volume object: %v", err)
	}
	// A volume of Docker's own holds the data themselves.
	run(t, "volume", "create", name)
	t.Cleanup(func() { run(t, "volume", "rm", name) })
	if err := e.RemoveVolume(ctx, name); err == nil || !exists() {
		t.Errorf("a volume with data was removed: %v", err)
	}
}

// Where PostgreSQL accepts connections nothing waits for its healthcheck, of
// which compose files have a long interval; what else a service waits for it
// still does.
func TestUpAheadOfHealth(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	change(t, o, "    stop_grace_period: 2m\n", `    stop_grace_period: 2m
    environment: {POSTGRES_PASSWORD: boot-secret, TUNED: "${TUNED:-no}"}
    healthcheck: {test: ["CMD", "true"], interval: 10m}
  first:
    image: `+image+`
    entrypoint: ["sleep", "2"]
  odoo:
    image: `+image+`
    entrypoint: ["sleep", "1000"]
    init: true
    depends_on: {db: {condition: service_healthy}, first: {condition: service_completed_successfully}}
`)
	change(t, o, "    environment:\n      POSTGRES_PASSWORD: boot-secret\n", "")
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Up(ctx, nil); err != nil {
		t.Fatal(err)
	}
	db, err := e.Container(ctx, "db")
	if err != nil || db.Health != "starting" {
		t.Errorf("%+v %v", db, err)
	}
	if first, err := e.Container(ctx, "first"); err != nil || first.ID == "" || first.Running {
		t.Errorf("it was not waited for: %+v %v", first, err)
	}
	if odoo, err := e.Container(ctx, "odoo"); err != nil || !odoo.Running {
		t.Errorf("%+v %v", odoo, err)
	}
	// A changed PostgreSQL is made anew, and waited for.
	o.Env = []string{"TUNED=yes"}
	e = docker.New(o)
	if err := e.Up(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if c, err := e.Container(ctx, "db"); err != nil || c.ID == db.ID || c.Env["TUNED"] != "yes" {
		t.Errorf("%+v %v", c, err)
	}
	if s, err := e.Status(ctx); err != nil || !s.Ready {
		t.Errorf("%+v %v", s, err)
	}
}
