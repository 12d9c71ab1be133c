//go:build takeover

// Package takeover takes every shape of docs/how-to/taking-over.md over on the
// real engine: the stack runs and has a database and an attachment, odpm adopts
// it, undoes it, adopts it again, and keeps it. The judges are docker inspect,
// pg_dumpall and what the containers have.
package takeover

import (
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
	"github.com/odpm/odpm/test/programs"
)

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
	images := standIns(t)
	for i, shape := range shapeDirs(t) {
		name := filepath.Base(shape)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stack{T: t, images: images, bin: bin, project: fmt.Sprintf("odpmtakeover%d", i), dir: filepath.Join(t.TempDir(), name)}
			s.unpack(shape)
			s.takeOver()
		})
	}
}

// stack is one project of somebody else's.
type stack struct {
	*testing.T
	images            *images
	bin, project, dir string
	file              string // what the person calls docker compose on

	odoo, db, role string
	// before are the files as odpm adopt found them.
	before string
	// ports are for what the file does not publish: shapes that run at the same time
	// would otherwise find the same ones free.
	ports []string
}

// takeOver starts the stack once. Each part leaves it as it found it, so that the
// next one has the same to take over.
func (s *stack) takeOver() {
	s.Cleanup(s.remove)
	s.start()
	s.fill()
	s.choosePorts()
	before := before{s.fingerprint(), s.inspect()}
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
	way := []string{"adopt", s.file, "--yes"}
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
	part("replace", func() {
		s.takeOut("ODPM_COMPOSE", "COMPOSE_FILE")
		s.proven(before, s.adopt(way))
	})
}

// before is how the stack was.
type before struct {
	fingerprint string
	containers  map[string]container
}

// undo gives all of it back.
func (s *stack) undo(before before) {
	s.Helper()
	s.odpm("adopt", "--undo")
	if now := s.files(); now != s.before {
		s.Errorf("adopt --undo left other files:\n%s\nbefore:\n%s", now, s.before)
	}
	if now := s.fingerprint(); now != before.fingerprint {
		s.Errorf("after adopt --undo PostgreSQL has other things (-before +now):\n%s", cmp.Diff(strings.Split(before.fingerprint, "\n"), strings.Split(now, "\n")))
	}
	s.up()
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

// shellWay is a way on that a shell runs, and that comes before the same command.
var shellWay = regexp.MustCompile(`(?m)^To continue:\n  (?:[a-z .]*: )?((?:printf|docker run|mkdir|cp) .*?)(?:        .*)?\n  then run the same command again$`)

// adoptOr leaves it to another part where --external is what is printed.
func (s *stack) adoptOr(args []string) (told string, external bool) {
	s.Helper()
	var out string
	var err error
	for range 4 {
		s.before = s.files()
		if out, err = s.try(args...); err == nil {
			return out, false
		}
		way := shellWay.FindStringSubmatch(out)
		if way == nil {
			break
		}
		if out, err := s.run(exec.Command("sh", "-ec", way[1])); err != nil {
			s.Fatalf("what was printed: %s: %v\n%s", way[1], err, out)
		}
	}
	m := regexp.MustCompile(`(?m)^ *odpm (adopt ` + regexp.QuoteMeta(s.file) + ` --.*?)(?:  .*)?$`).FindStringSubmatch(out)
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

// command is run in the project, with what this test chose.
func (s *stack) command(cmd *exec.Cmd) *exec.Cmd {
	c := exec.CommandContext(s.Context(), cmd.Args[0], cmd.Args[1:]...)
	c.Dir, c.Stdin = s.dir, cmd.Stdin
	// Docker's builder of old needs no plugin.
	c.Env = append(append(os.Environ(), s.ports...), "COMPOSE_PROJECT_NAME="+s.project, "PWD="+s.dir, "NO_COLOR=1", "DOCKER_BUILDKIT=0", "PATH="+s.bin+":"+os.Getenv("PATH"))
	c.WaitDelay = time.Second
	return c
}

func (s *stack) run(cmd *exec.Cmd) (string, error) {
	c := s.command(cmd)
	end := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer end.Stop()
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
