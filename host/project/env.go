package project

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/odpm/odpm/shared/utf16text"
)

// layers are the three places a key can come from; the process environment
// wins over the project's .env, which wins over ~/.odpm/.env.
type layers struct {
	values map[string]string
	source map[string]place
	errs   *Errors
}

type place struct {
	file string
	line int
}

func (p place) String() string {
	if p.line > 0 {
		return fmt.Sprintf("%s:%d", p.file, p.line)
	}
	return p.file
}

func readLayers(dir, home string, environ []string, proposed Files, errs *Errors) (*layers, error) {
	l := &layers{values: map[string]string{}, source: map[string]place{}, errs: errs}
	process := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			process[k] = v
		}
	}
	files := []struct{ path, name string }{{filepath.Join(dir, ".env"), ".env"}}
	if home != "" {
		files = append([]struct{ path, name string }{{filepath.Join(home, ".odpm", ".env"), "~/.odpm/.env"}}, files...)
	}
	for _, f := range files {
		read := proposed.read
		if f.name != ".env" {
			read = Files(nil).read
		}
		data, err := read(f.path)
		if errors.Is(err, os.ErrNotExist) {
			if err := dangling(f.path); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if utf16text.Is(data) {
			return nil, &ConfigError{File: f.name, Line: 1, Allowed: utf16text.Why}
		}
		// Interpolation sees what compose sees: the process, then the lines above.
		vars, err := dotenv.ParseWithLookup(bytes.NewReader(data), func(k string) (string, bool) {
			if v, ok := process[k]; ok {
				return v, true
			}
			v, ok := l.values[k]
			return v, ok
		})
		if err != nil {
			return nil, unreadable(f.name, data, err)
		}
		at := keyLines(data)
		for k, v := range vars {
			l.values[k], l.source[k] = v, place{f.name, at[k]}
		}
	}
	for k, v := range process {
		l.values[k], l.source[k] = v, place{"environment", 0}
	}
	return l, nil
}

// Environment are the settings of a directory before it is a project: what Load
// would put into Project.Env.
func Environment(dir, home string, environ []string) (map[string]string, error) {
	l, err := readLayers(dir, home, environ, nil, &Errors{})
	if err != nil {
		return nil, err
	}
	return l.values, nil
}

// own is the name under which a key is set. A person's .env is their compose
// file's too, which may mean something else by POSTGRES_IMAGE or ODOO_PORT: with
// ODPM_ before it a key is odpm's alone, and wins.
func (l *layers) own(key string) string {
	if mine := "ODPM_" + key; !strings.HasPrefix(key, "ODPM_") && strings.TrimSpace(l.values[mine]) != "" {
		return mine
	}
	return key
}

// at is where a key is set.
func (l *layers) at(key string) place { return l.source[l.own(key)] }

// raw gives a value as it stands, blanks included.
func (l *layers) raw(key string) (string, bool) {
	v := l.values[l.own(key)]
	return v, v != ""
}

// get gives a value; an empty one counts as not set, as in compose's ${X:-…}.
func (l *layers) get(key string) (string, bool) {
	v := strings.TrimSpace(l.values[l.own(key)])
	return v, v != ""
}

func (l *layers) or(key, fallback string) string {
	if v, ok := l.get(key); ok {
		return v
	}
	return fallback
}

func (l *layers) bad(key, allowed, hint string) {
	key = l.own(key)
	at := l.source[key]
	if at.file == "" {
		at.file = ".env" // nobody sets it, and that is the place to
	}
	*l.errs = append(*l.errs, &ConfigError{File: at.file, Line: at.line, Key: key, Found: l.values[key], Allowed: allowed, Hint: hint})
}

func (l *layers) port(key string, fallback int) int {
	v, ok := l.get(key)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 65535 {
		l.bad(key, "allowed: a port, 1 to 65535", "")
		return fallback
	}
	return n
}

func (l *layers) word(key, fallback string, allowed ...string) string {
	v := strings.ToLower(l.or(key, fallback))
	for _, w := range allowed {
		if v == w {
			return v
		}
	}
	l.bad(key, "allowed: "+strings.Join(allowed, ", "), "")
	return fallback
}

func (l *layers) ip(key, fallback string) string {
	v := l.or(key, fallback)
	if net.ParseIP(strings.Trim(v, "[]")) == nil {
		l.bad(key, "allowed: an IP address of this machine, 127.0.0.1 or 0.0.0.0 for example", "")
		return fallback
	}
	return strings.Trim(v, "[]")
}

// path makes a value absolute: "~" is the home directory, a relative path
// starts at the project.
func path(v, dir, home string) string {
	if v == "~" || strings.HasPrefix(v, "~/") {
		v = filepath.Join(home, strings.TrimPrefix(v, "~"))
	}
	if !filepath.IsAbs(v) {
		v = filepath.Join(dir, v)
	}
	return filepath.Clean(v)
}
