//go:build takeover

package takeover

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/odpm/odpm/test/localpg"
)

var shapes = flag.String("shapes", "../../host/setup/testdata/shapes.txtar", "a txtar file, or a directory, with a directory for each shape")

// shapeDirs are the directories with the shapes that this run is about.
func shapeDirs(t *testing.T) []string {
	t.Helper()
	root := *shapes
	if info, err := os.Stat(root); err != nil {
		t.Fatal(err)
	} else if !info.IsDir() {
		archive, err := txtar.ParseFile(root)
		if err != nil {
			t.Fatal(err)
		}
		root = t.TempDir()
		for _, f := range archive.Files {
			path := filepath.Join(root, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			text := freePorts(t, strings.ReplaceAll(string(f.Data), "registry.example/", registry))
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, entry := range entries {
		if entry.IsDir() {
			dirs = append(dirs, filepath.Join(root, entry.Name()))
		}
	}
	if len(dirs) == 0 {
		t.Fatalf("%s has no directory", root)
	}
	return dirs
}

// unpack makes the project of a shape, and what such files mount and what their
// images would bring.
func (s *stack) unpack(shape string) {
	s.Helper()
	if err := os.CopyFS(s.dir, os.DirFS(shape)); err != nil {
		s.Fatal(err)
	}
	env, _ := os.ReadFile(filepath.Join(s.dir, ".env"))
	candidates := []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	if m := regexp.MustCompile(`(?m)^COMPOSE_FILE=(\S+)$`).FindSubmatch(env); m != nil {
		candidates = []string{string(m[1])}
	}
	i := slices.IndexFunc(candidates, func(name string) bool {
		_, err := os.Stat(filepath.Join(s.dir, name))
		return err == nil
	})
	if i < 0 {
		s.Fatalf("%s has none of %v", shape, candidates)
	}
	s.file = candidates[i]
	s.write("wait-for-it.sh", "#!/bin/bash\nat=$1; shift 2\nuntil (exec 3<>\"/dev/tcp/${at%:*}/${at#*:}\") 2>/dev/null; do sleep 0.2; done\nexec \"$@\"\n", 0o755)
	s.write("code/odoo/odoo-bin", "#!/usr/bin/python3\nfrom odoo.command import main\n\nmain()\n", 0o755)
	if err := os.MkdirAll(filepath.Join(s.dir, "code/odoo/addons"), 0o755); err != nil {
		s.Fatal(err)
	}
}

func (s *stack) write(name, text string, mode os.FileMode) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if _, err := os.Stat(path); err == nil {
		return // the shape's own
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.Fatal(err)
	}
}

var published = regexp.MustCompile(`ports: \[.*?\]`)

// freePorts publishes on ports that nobody has.
func freePorts(t *testing.T, text string) string {
	return published.ReplaceAllStringFunc(text, func(list string) string {
		return regexp.MustCompile(`"\d+:`).ReplaceAllStringFunc(list, func(string) string {
			port, err := localpg.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(`"%d:`, port)
		})
	})
}

// choosePorts is for what the file neither publishes nor has on the host's network.
func (s *stack) choosePorts() {
	s.Helper()
	var doc struct {
		Services map[string]struct {
			NetworkMode string `json:"network_mode"`
			Ports       []struct{ Target int }
		}
	}
	s.config(&doc)
	for key, inside := range map[string]int{"POSTGRES_PORT": 5432, "ODOO_PORT": 8069, "GEVENT_PORT": 8072} {
		has := false
		for _, service := range doc.Services {
			has = has || key == "POSTGRES_PORT" && service.NetworkMode == "host"
			for _, p := range service.Ports {
				has = has || p.Target == inside
			}
		}
		if has {
			continue
		}
		port, err := localpg.FreePort()
		if err != nil {
			s.Fatal(err)
		}
		s.ports = append(s.ports, fmt.Sprintf("%s=%d", key, port))
	}
}

// mentions: one of the project's own files has the word.
func (s *stack) mentions(word string) (path string) {
	s.Helper()
	err := filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path != "" {
			return err
		}
		text, err := os.ReadFile(p)
		if strings.Contains(string(text), word) {
			path = p
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return path
}

// takeOut has .env without a line, as odpm says for a person who changes their mind.
func (s *stack) takeOut(keys ...string) {
	s.Helper()
	path := filepath.Join(s.dir, ".env")
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if key, _, _ := strings.Cut(line, "="); !slices.Contains(keys, key) {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "")), 0o644); err != nil {
		s.Fatal(err)
	}
}
