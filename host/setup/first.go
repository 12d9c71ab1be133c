package setup

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/ports"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/odooconf"
)

// First is what a new project is made with.
type First struct {
	// Odoo and Postgres are versions as odpm.json has them.
	Odoo, Postgres string
	// Port is Odoo's on this machine, 0 for that of odoo.conf, else 8069, or the next
	// free one.
	Port int
	// Said are the flags that were typed, without dashes.
	Said []string
}

// loopback is where a new project, a developer's, publishes its ports.
const loopback = "127.0.0.1"

// files are the first ones of a project; conf is the odoo.conf that is there, nil for none.
func (f First) files(dir string, conf *odooconf.File) ([]newFile, error) {
	if err := project.CheckVersions(f.Postgres, f.Odoo); err != nil {
		return nil, &ui.Usage{Err: err}
	}
	odoo, postgres, gevent, err := f.ports(conf)
	if err != nil {
		return nil, err
	}
	manifest, err := json.MarshalIndent(map[string]string{"odoo_version": f.Odoo, "platform_name": "odoo", "postgres_version": f.Postgres}, "", "  ")
	if err != nil {
		return nil, err
	}
	out := []newFile{
		// The password is in .env alone: odoo.conf must be readable for whatever
		// uid the image's Odoo has.
		{name: ".env", content: fmt.Sprintf(firstEnv, postgres, odoo, gevent, rand.Text()), mode: 0o600},
		{name: "odpm.json", content: string(manifest) + "\n", mode: 0o644},
		{name: "odoo.conf", content: firstConf, mode: 0o644},
	}
	ignore, err := ignored(dir)
	return append(out, ignore), err
}

// unsaid leaves out of a first .env what ~/.odpm/.env or odoo.conf says already: the
// project's .env would win over the first, and contradict the second.
func (f First) unsaid(env string, o apply.Options, conf *odooconf.File) (string, error) {
	said, err := project.Environment(o.Dir, o.Home, nil)
	if err != nil {
		return "", err
	}
	if conf != nil {
		if v, ok := conf.Value("db_password", 0); ok && v != "" {
			said["POSTGRES_ODOO_PASS"] = v
		}
	}
	if slices.Contains(f.Said, "port") {
		delete(said, "ODOO_PORT")
	}
	var out []string
	for line := range strings.Lines(env) {
		key, _, set := strings.Cut(line, "=")
		if _, ok := said[key]; set && (ok || said["ODPM_"+key] != "") {
			if n := len(out); slices.Contains([]string{"ODPM_SCENARIO", "POSTGRES_ODOO_PASS"}, key) {
				out = out[:n-1] // the comment above is about this key alone
			}
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, ""), nil
}

// ports takes free ones, at best those that conf has Odoo listen on: there people look
// for it, and without a container it listens nowhere else. A named one that is taken is
// an error.
func (f First) ports(conf *odooconf.File) (odoo, postgres, gevent int, err error) {
	if f.Port < 0 || f.Port > 65535 {
		return 0, 0, 0, ui.Usagef("--port: %d; allowed: 1 to 65535", f.Port)
	}
	free := func(port int, given ...int) int {
		if !slices.Contains(given, port) && ports.Free(loopback, port) {
			return port
		}
		return ports.NextFree(loopback, port, given...)
	}
	http, longPolling := compose.Spec{Project: project.Project{OdooConf: conf}}.OdooPorts()
	odoo = f.Port
	switch {
	case odoo == 0:
		odoo = free(http)
	case !ports.Free(loopback, odoo):
		return 0, 0, 0, &ui.Refusal{Code: codes.PortTaken, What: fmt.Sprintf("Port %d is in use by %s. Nothing was written.", odoo, ports.Owner(odoo)),
			Ways: []string{fmt.Sprintf("odpm init --port %d        a port that is free now", ports.NextFree(loopback, odoo))}}
	}
	postgres = free(5432, odoo)
	gevent = free(longPolling, odoo, postgres)
	return odoo, postgres, gevent, nil
}

// unapplied says which flags a file that was there already contradicts.
func (f First) unapplied(o apply.Options) []string {
	p, err := project.Load(o.Dir, o.Environ, o.Home)
	if err != nil {
		return nil // the next command says what is wrong with it
	}
	var notes []string
	for _, x := range []struct{ flag, file, key, said, is string }{
		{"odoo", "odpm.json", "odoo_version", f.Odoo, p.OdooVersion},
		{"postgres", "odpm.json", "postgres_version", f.Postgres, p.PostgresVersion},
		{"port", ".env", "ODOO_PORT", strconv.Itoa(f.Port), strconv.Itoa(p.OdooPort)},
	} {
		if slices.Contains(f.Said, x.flag) && x.said != x.is {
			notes = append(notes, fmt.Sprintf("note: --%s %s was not applied: %s exists, and %s is %s there; change it in the file, then: odpm plan", x.flag, x.said, x.file, x.key, x.is))
		}
	}
	return notes
}

// ignored keeps what is secret or large out of a repository; lines that are
// there stay.
func ignored(dir string) (newFile, error) {
	old, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return newFile{}, err
	}
	have := strings.Split(string(old), "\n")
	var lacks []string
	for _, line := range []string{".env", "/data/", "/.odpm/"} {
		if !slices.Contains(have, line) && !slices.Contains(have, strings.Trim(line, "/")) {
			lacks = append(lacks, line)
		}
	}
	content := string(old)
	if len(lacks) > 0 && content != "" && !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	for _, line := range lacks {
		content += line + "\n"
	}
	return newFile{name: ".gitignore", content: content, mode: 0o644, extends: true}, nil
}
