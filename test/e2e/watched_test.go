package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// watched ARGS… is exec odpm --verbose ARGS…, held to its word: what the run says
// it does is compared with what the engine's events, the project's files and the
// roles show from outside. Something done without a word fails, and so does a
// word that nothing was done for.
func watched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || args[0] != "odpm" {
		ts.Fatalf("usage: watched odpm ARGS…")
	}
	w := watch{dir: ts.MkAbs("."), project: ts.Getenv("PROJECT")}
	w.before = w.look()
	heard := w.listen(ts)
	err := ts.Exec(args[0], append([]string{"--verbose"}, args[1:]...)...)
	lines := heard()
	if err != nil {
		ts.Fatalf("odpm: %v", err)
	}
	w.after = w.look()
	w.events = w.happened(ts, lines)
	w.said = w.actions(ts.ReadFile("stderr"))
	if wrong := w.compare(); len(wrong) > 0 {
		var seen []string
		for _, e := range w.events {
			seen = append(seen, fmt.Sprintf("%+v", e))
		}
		ts.Fatalf("what the run says and what was seen are two things:\n%s\n\nsaid:\n%v\n\nseen:\n%s", strings.Join(wrong, "\n"), w.said, strings.Join(seen, "\n"))
	}
}

type watch struct {
	dir, project  string
	before, after outside
	events        []event
	said          []action
}

// outside is what a run may change. roles is "" where no server answers.
type outside struct {
	files map[string]string
	roles string
}

// action is a line of --verbose: "does OP RESOURCE: why".
type action struct{ op, resource string }

// event is one of the engine's, of a container: what it is called there.
type event struct {
	Type, Action, Service, Name string
	oneOff                      bool
}

var doesLine = regexp.MustCompile(`(?m)^odpm: doing: ([a-z_]+) (.*?) \(`)

func (w *watch) actions(stderr string) []action {
	var out []action
	for _, m := range doesLine.FindAllStringSubmatch(stderr, -1) {
		out = append(out, action{m[1], m[2]})
	}
	return out
}

// look leaves out the cluster and Odoo's files, whose writers are the servers,
// and .odpm/state, which is odpm's own memory.
func (w *watch) look() outside {
	o := outside{files: map[string]string{}}
	filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		word := info.Mode().String()
		if info.Mode().IsRegular() {
			text, _ := os.ReadFile(path)
			word += fmt.Sprintf(" %x", sha256.Sum256(text))
		}
		o.files[path] = word
		if d.IsDir() && path != w.dir {
			if _, err := os.Stat(filepath.Join(path, "PG_VERSION")); err == nil || path == filepath.Join(w.dir, "data") {
				return fs.SkipDir
			}
		}
		return nil
	})
	out, err := exec.Command("docker", "exec", "-u", "postgres", w.project+"-db-1", "psql", "-Atqc",
		"SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolpassword, rolconnlimit, rolvaliduntil FROM pg_authid ORDER BY 1").Output()
	if err == nil {
		o.roles = string(out)
	}
	return o
}

// listen begins to hear the engine's events: it keeps only the last few hundred
// of all projects for who asks afterwards. The function ends it, when a mark of
// our own has come by.
func (w *watch) listen(ts *testscript.TestScript) func() []string {
	mark := func(when string) string {
		name := w.project + "-mark-" + when
		ts.Check(exec.Command("docker", "volume", "create", name).Run())
		ts.Check(exec.Command("docker", "volume", "rm", name).Run())
		return name
	}
	cmd := exec.Command("docker", "events", "--format", "{{json .}}")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := make(chan string, 1<<16)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	until := func(mark string) (seen []string) {
		for line := range lines {
			if strings.Contains(line, mark) {
				return seen
			}
			seen = append(seen, line)
		}
		ts.Fatalf("docker events ended early")
		return nil
	}
	// It hears when it hears the first mark, however often that takes.
	for heard := false; !heard; {
		name := mark("begin")
		select {
		case line := <-lines:
			heard = strings.Contains(line, name)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return func() []string {
		defer func() { cmd.Process.Kill(); cmd.Wait() }()
		return until(mark("end"))
	}
}

func (w *watch) happened(ts *testscript.TestScript, lines []string) []event {
	var all []event
	for _, line := range lines {
		var e struct {
			Type, Action string
			Actor        struct {
				ID         string
				Attributes map[string]string
			}
		}
		ts.Check(json.Unmarshal([]byte(line), &e))
		a := e.Actor.Attributes
		verb, _, _ := strings.Cut(e.Action, ":")
		seen := event{Type: e.Type, Action: verb, Name: a["name"]}
		switch e.Type {
		case "container":
			seen.Service = a["com.docker.compose.service"]
			seen.oneOff = strings.EqualFold(a["com.docker.compose.oneoff"], "true")
			// A prefix of the person's stands in front of or behind it.
			if !strings.Contains(a["com.docker.compose.project"], w.project) {
				continue
			}
		case "volume":
			seen.Name = e.Actor.ID
			if !strings.HasPrefix(seen.Name, w.project) || strings.Contains(seen.Name, "-mark-") {
				continue
			}
		case "image":
			if !strings.HasPrefix(seen.Name, "odpm/"+w.project) && !strings.Contains(verb, "untag") && verb != "delete" {
				continue
			}
		default:
			continue
		}
		all = append(all, seen)
	}
	return all
}

func (w *watch) compare() []string {
	var wrong []string
	for _, e := range w.events {
		if ops := w.causes(e); len(ops) > 0 && !w.says(ops, e.Service) {
			wrong = append(wrong, fmt.Sprintf("not said: %s %s of %s", e.Type, e.Action, e.Service+e.Name))
		}
	}
	files := w.changedFiles()
	for _, path := range files {
		if inside(filepath.Join(w.dir, ".odpm", "state"), path) || w.written(path) {
			continue
		}
		wrong = append(wrong, "not said: "+path+" changed")
	}
	if w.before.roles != "" && w.after.roles != "" && w.before.roles != w.after.roles && !w.says([]string{"ensure_role"}, "") {
		wrong = append(wrong, "not said: the roles changed:\n"+changed(w.before.roles, w.after.roles))
	}
	for _, a := range w.said {
		if !w.done(a, files) {
			wrong = append(wrong, fmt.Sprintf("not done: %s %s", a.op, a.resource))
		}
	}
	return wrong
}

// causes are the actions that an event may come of; none for what is nobody's
// doing: health checks, and one-off containers, which prove a login.
func (w *watch) causes(e event) []string {
	switch {
	case e.Type == "volume" && e.Action == "destroy":
		return []string{"remove_volume"}
	case e.Type == "volume" && e.Action == "create":
		return []string{"start_postgres", "up"}
	case e.Type == "image" && e.Action == "tag":
		return []string{"build_image"}
	case e.Type != "container" || e.oneOff:
		return nil
	}
	switch e.Action {
	case "create", "start", "restart", "unpause":
		if strings.HasSuffix(e.Service, "odoo") {
			return []string{"up"}
		}
		return []string{"start_postgres", "up", "ensure_role"}
	case "die", "stop", "kill", "destroy", "pause", "rename":
		return []string{"stop_service", "remove_volume", "start_postgres", "up", "ensure_role"}
	}
	return nil
}

// says: one of the actions was reported; of a stop, for that service.
func (w *watch) says(ops []string, service string) bool {
	return slices.ContainsFunc(w.said, func(a action) bool {
		return slices.Contains(ops, a.op) && (a.op != "stop_service" || a.resource == service)
	})
}

// written: an action has the path in its name, or is one that records a proof.
func (w *watch) written(path string) bool {
	for _, a := range w.said {
		switch a.op {
		case "write_file", "make_secret":
			// Of a new file the directories above are new too.
			if a.resource == path || inside(path, a.resource) {
				return true
			}
		case "make_dir":
			if a.resource == path || inside(path, a.resource) || inside(a.resource, path) {
				return true
			}
		case "up", "prove_login", "write_baseline":
			if inside(filepath.Join(w.dir, ".odpm"), path) || path == filepath.Join(w.dir, ".odpm") {
				return true
			}
		case "start_postgres", "ensure_role":
			if inside(filepath.Join(w.dir, ".odpm"), path) || path == filepath.Join(w.dir, "data") {
				return true
			}
		}
	}
	return false
}

func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

func (w *watch) changedFiles() []string {
	var out []string
	for path, word := range w.after.files {
		if w.before.files[path] != word {
			out = append(out, path)
		}
	}
	for path := range w.before.files {
		if _, ok := w.after.files[path]; !ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// done: something was seen of the action.
func (w *watch) done(a action, files []string) bool {
	event := func(kind, service string, actions ...string) bool {
		return slices.ContainsFunc(w.events, func(e event) bool {
			return e.Type == kind && (service == "" || e.Service == service) && slices.Contains(actions, e.Action)
		})
	}
	switch a.op {
	case "write_file", "make_secret", "write_baseline":
		return slices.Contains(files, a.resource)
	case "make_dir":
		// It may be an old directory that is given to another user.
		_, err := os.Stat(a.resource)
		return err == nil
	case "build_image":
		return event("image", "", "tag")
	case "remove_image":
		return event("image", "", "untag", "delete")
	case "stop_service":
		return event("container", a.resource, "die", "stop", "kill", "destroy")
	case "remove_volume":
		return event("volume", "", "destroy")
	case "start_postgres":
		return event("container", a.resource, "start", "unpause")
	case "ensure_role":
		return w.before.roles != w.after.roles
	case "up":
		return event("container", a.resource, "start", "restart")
	case "prove_login":
		return event("container", "", "exec_start", "start")
	}
	return false
}
