//go:build takeover

// Package takeover takes every shape of docs/how-to/taking-over.md over on the
// real engine: the stack runs and has a database and an attachment, odpm adopts
// it, undoes it, adopts it again, and keeps it. The judges are docker inspect,
// pg_dumpall and what the containers have.
package takeover

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

const shapesFile = "../../host/setup/testdata/shapes.txtar"

// A stack with its containers on a machine that is busy.
const patience = 10 * time.Minute

// TestTakeover is run by make test-takeover.
func TestTakeover(t *testing.T) {
	programs.Tested(t)
	bin, err := os.MkdirTemp("", "odpm-bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bin) })
	if err := programs.Build(bin, nil, programs.ODPM, programs.Checker); err != nil {
		t.Fatal(err)
	}
	archive, err := txtar.ParseFile(shapesFile)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range archive.Files {
		if name, _, _ := strings.Cut(f.Name, "/"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	images := standIns(t)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stack{T: t, images: images, bin: bin, project: fmt.Sprintf("odpmtakeover%d", i), dir: filepath.Join(t.TempDir(), "p")}
			s.unpack(archive, name)
			s.takeOver()
		})
	}
}

// stack is one project of somebody else's.
type stack struct {
	*testing.T
	images            *images
	bin, project, dir string

	odoo, db, role string
	// ports are for what the file does not publish: shapes that run at the same time
	// would otherwise find the same ones free.
	ports []string
}

func (s *stack) unpack(archive *txtar.Archive, name string) {
	for _, f := range archive.Files {
		rest, ok := strings.CutPrefix(f.Name, name+"/")
		if !ok {
			continue
		}
		s.write(rest, s.freePorts(strings.ReplaceAll(string(f.Data), "registry.example/", registry)), 0o644)
	}
	// What such files mount, and what their images would bring.
	s.write("wait-for-it.sh", "#!/bin/bash\nat=$1; shift 2\nuntil (exec 3<>\"/dev/tcp/${at%:*}/${at#*:}\") 2>/dev/null; do sleep 0.2; done\nexec \"$@\"\n", 0o755)
	s.write("code/odoo/odoo-bin", "#!/usr/bin/python3\nfrom odoo.command import main\n\nmain()\n", 0o755)
	if err := os.MkdirAll(filepath.Join(s.dir, "code/odoo/addons"), 0o755); err != nil {
		s.Fatal(err)
	}
}

var published = regexp.MustCompile(`ports: \[.*?\]`)

// freePorts publishes on ports that nobody has.
func (s *stack) freePorts(text string) string {
	return published.ReplaceAllStringFunc(text, func(list string) string {
		return regexp.MustCompile(`"\d+:`).ReplaceAllStringFunc(list, func(string) string {
			port, err := localpg.FreePort()
			if err != nil {
				s.Fatal(err)
			}
			return fmt.Sprintf(`"%d:`, port)
		})
	})
}

func (s *stack) choosePorts() {
	s.Helper()
	file, err := os.ReadFile(filepath.Join(s.dir, "docker-compose.yml"))
	if err != nil {
		s.Fatal(err)
	}
	for key, inside := range map[string]string{"POSTGRES_PORT": ":5432", "ODOO_PORT": ":8069", "GEVENT_PORT": ":8072"} {
		if key == "POSTGRES_PORT" && strings.Contains(string(file), "network_mode: host") || strings.Contains(string(file), inside+`"]`) {
			continue
		}
		port, err := localpg.FreePort()
		if err != nil {
			s.Fatal(err)
		}
		s.ports = append(s.ports, fmt.Sprintf("%s=%d", key, port))
	}
}

func (s *stack) write(name, text string, mode os.FileMode) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.Fatal(err)
	}
}

// takeOver starts the stack once. Each part leaves it as it found it, so that the
// next one has the same to take over.
func (s *stack) takeOver() {
	s.Cleanup(s.remove)
	s.start()
	s.fill()
	s.choosePorts()
	before := before{s.fingerprint(), s.files(), s.inspect()}
	whole := s.T
	part := func(name string, f func()) {
		whole.Run(name, func(t *testing.T) {
			s.T = t
			defer func() { s.T = whole }()
			f()
		})
		if whole.Failed() {
			whole.FailNow() // the next part would not have what it says
		}
	}
	way := []string{"adopt", "docker-compose.yml", "--yes"}
	part("undo", func() {
		// Before anything is proven.
		s.adopt(append(slices.Clone(way), "--skip-start"))
		s.undo(before)
	})
	part("keep", func() {
		keep := append(slices.Clone(way), "--keep")
		told, elsewhere := s.adoptOr(keep)
		if elsewhere {
			return // PostgreSQL is none of its services, and the way that was printed is the next part
		}
		s.proven(before, told)
		// Typed by hand, their file works as before; the next run proves again.
		s.compose("up", "-d")
		if got := s.attachment(); got != "attached" {
			s.Errorf("docker compose up by hand has the attachment %q", got)
		}
		s.odpm()
		s.undo(before)
	})
	part("replace", func() { s.proven(before, s.adopt(way)) })
}

// before is how the stack was.
type before struct {
	fingerprint, files string
	containers         map[string]container
}

// undo gives all of it back.
func (s *stack) undo(before before) {
	s.Helper()
	s.odpm("adopt", "--undo")
	if now := s.files(); now != before.files {
		s.Errorf("adopt --undo left other files:\n%s\nbefore:\n%s", now, before.files)
	}
	if now := s.fingerprint(); now != before.fingerprint {
		s.Errorf("after adopt --undo PostgreSQL has other things (-before +now):\n%s", cmp.Diff(strings.Split(before.fingerprint, "\n"), strings.Split(now, "\n")))
	}
	// An Odoo that gave up while a busy machine started PostgreSQL.
	s.compose("up", "-d")
	if got := s.attachment(); got != "attached" {
		s.Errorf("after adopt --undo Odoo has the attachment %q", got)
	}
	for _, lost := range s.lost(before.containers, s.inspect()) {
		s.Errorf("after adopt --undo: %s", lost.what)
	}
}

// proven: what a takeover ended in has everything.
func (s *stack) proven(before before, told string) {
	s.Helper()
	if now := s.identifier(); !strings.HasPrefix(before.fingerprint, now+" ") {
		s.Errorf("the new stack has another cluster: %s, not %.20s", now, before.fingerprint)
	}
	if got := s.attachment(); got != "attached" {
		s.Errorf("the new stack has the attachment %q", got)
	}
	for _, lost := range s.lost(before.containers, s.inspect()) {
		if !said(lost, told) {
			s.Errorf("%s", lost.what)
		}
	}
	if s.Failed() {
		s.Logf("what was said:\n%s", told)
	}
	if out := s.odpm("plan"); !strings.Contains(out, "No changes") {
		s.Errorf("odpm plan after the takeover:\n%s", out)
	}
}

// said: odpm named it, as something that is done in another way.
func said(lost difference, told string) bool {
	return lost.names != "" && strings.Contains(told, lost.names)
}

// adopt runs odpm adopt, and where it asks, the first command that it prints.
func (s *stack) adopt(args []string) string {
	s.Helper()
	out, external := s.adoptOr(args)
	if external {
		return s.odpm(append(args, "--external")...)
	}
	return out
}

// adoptOr leaves it to another part where --external is what is printed.
func (s *stack) adoptOr(args []string) (told string, external bool) {
	s.Helper()
	out, err := s.try(args...)
	if err == nil {
		return out, false
	}
	m := regexp.MustCompile(`(?m)^ *odpm (adopt docker-compose\.yml --.*?)(?:  .*)?$`).FindStringSubmatch(out)
	if m == nil {
		s.Fatalf("odpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	printed := strings.Fields(m[1])
	if slices.Contains(printed, "--external") {
		return out, true
	}
	for _, a := range args {
		if !slices.Contains(printed, a) {
			printed = append(printed, a)
		}
	}
	return s.odpm(printed...), false
}

func (s *stack) odpm(args ...string) string {
	s.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.Fatalf("odpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *stack) try(args ...string) (string, error) {
	return s.run(exec.Command(filepath.Join(s.bin, "odpm"), args...))
}

func (s *stack) run(cmd *exec.Cmd) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Dir, c.Stdin = s.dir, cmd.Stdin
	c.Env = append(append(os.Environ(), s.ports...), "COMPOSE_PROJECT_NAME="+s.project, "NO_COLOR=1", "PATH="+s.bin+":"+os.Getenv("PATH"))
	began := time.Now()
	out, err := c.CombinedOutput()
	if took := time.Since(began); took > time.Second {
		line, _, _ := strings.Cut(strings.Join(cmd.Args[1:], " "), "\n")
		s.Logf("%5.1fs %s %s", took.Seconds(), filepath.Base(cmd.Args[0]), line)
	}
	return string(out), err
}

func (s *stack) compose(args ...string) string {
	s.Helper()
	out, err := s.run(exec.Command("docker", append([]string{"compose"}, args...)...))
	if err != nil {
		s.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *stack) docker(args ...string) string {
	s.Helper()
	out, err := s.run(exec.Command("docker", args...))
	if err != nil {
		s.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}
