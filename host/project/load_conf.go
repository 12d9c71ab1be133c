package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/snapshot"
)

// conf reads an odoo.conf.
func (f Files) conf(path string) (*odooconf.File, error) {
	if data, ok := f[filepath.Base(path)]; ok {
		return odooconf.Parse(data)
	}
	return odooconf.Load(path)
}

// odooConf looks for {platform_name}.conf, then odoo.conf.
func (l *loader) odooConf() error {
	p := l.p
	p.OdooConfPath = filepath.Join(p.Dir, p.PlatformName+".conf")
	conf, err := l.files.conf(p.OdooConfPath)
	var danglingFallback error
	if fallback := filepath.Join(p.Dir, "odoo.conf"); errors.Is(err, os.ErrNotExist) && fallback != p.OdooConfPath {
		if c, e := l.files.conf(fallback); !errors.Is(e, os.ErrNotExist) {
			p.OdooConfPath, conf, err = fallback, c, e
		} else {
			danglingFallback = dangling(fallback)
		}
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.Join(dangling(p.OdooConfPath), danglingFallback)
	case err != nil:
		return err
	}
	if n, set, err := conf.Int("db_port", p.OdooMajor); err != nil || set && (n < 1 || n > 65535) {
		v, _ := conf.Get("db_port")
		*l.errs = append(*l.errs, &ConfigError{File: filepath.Base(p.OdooConfPath), Line: conf.Line("db_port"), Key: "db_port", Found: v, Allowed: "allowed: a port, 1 to 65535"})
	}
	if host, set := conf.Value("db_host", p.OdooMajor); set && !(libpq.ValidHost(host) && snapshot.Printable(host)) {
		*l.errs = append(*l.errs, &ConfigError{File: filepath.Base(p.OdooConfPath), Line: conf.Line("db_host"), Key: "db_host",
			Allowed: "allowed: a host name, an address or a socket directory (the value is not shown; it may be a connection string with a password)"})
	}
	p.OdooConf = conf
	return nil
}

// dangling is an error for a link that leads nowhere: what it meant to say
// must not be taken for unsaid, and the link not be written over.
func dangling(path string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return nil
	}
	return fmt.Errorf("%s is a link to %s, which does not exist; mount or restore that, or remove the link: rm %s", path, target, shell.Quote(path))
}

// role settles who Odoo will be: odoo.conf, else .env. Two different values
// are an error that names both places, since only one of them would be proven.
func (l *loader) role() error {
	p := l.p
	p.AppRole, p.AppRoleSource = l.settle("db_user", "POSTGRES_ODOO_USER", "odoo", false)
	p.AppPassword, p.AppPasswordSource = l.settle("db_password", "POSTGRES_ODOO_PASS", "odoo", true)
	if p.AppRole == "postgres" {
		*l.errs = append(*l.errs, &ConfigError{File: p.AppRoleSource, Key: "db_user", Found: "postgres", Allowed: "Odoo refuses to start as postgres; name a role of Odoo's own, \"odoo\" for example"})
	}
	if name := p.AppRole; strings.HasPrefix(name, "pg_") || name == "public" || name == "none" {
		*l.errs = append(*l.errs, &ConfigError{File: p.AppRoleSource, Key: "db_user", Found: name, Allowed: "PostgreSQL reserves public, none and what begins with pg_; name a role of Odoo's own, \"odoo\" for example"})
	}
	if !snapshot.Printable(p.AppRole) || len(p.AppRole) > 63 || strings.Contains(p.AppRole, "://") {
		*l.errs = append(*l.errs, &ConfigError{File: p.AppRoleSource, Key: "db_user", Found: p.AppRole, Allowed: "allowed: the name of a role, one line without control characters, at most 63 bytes (PostgreSQL's limit)"})
	}
	if strings.ContainsAny(p.AppPassword, "\x00\r\n") {
		*l.errs = append(*l.errs, &ConfigError{File: p.AppPasswordSource, Key: "db_password", Allowed: "allowed: one line, without zero bytes"})
	}
	return nil
}

func (l *loader) settle(option, key, fallback string, secret bool) (value, source string) {
	p := l.p
	env, inEnv := l.env.raw(key)
	conf, inConf, confPlace := "", false, ""
	if p.OdooConf != nil {
		conf, inConf = p.OdooConf.Value(option, p.OdooMajor)
		confPlace = fmt.Sprintf("%s:%d", filepath.Base(p.OdooConfPath), p.OdooConf.Line(option))
	}
	switch {
	case inConf && inEnv && conf != env:
		found := fmt.Sprintf("%q and %q", shown(conf), shown(env))
		if secret {
			found = "two different passwords"
		}
		*l.errs = append(*l.errs, &ConfigError{File: confPlace, Allowed: fmt.Sprintf("%s and %s (%s) say different things: %s; Odoo would use the one in odoo.conf", option, key, l.env.at(key), found),
			Hint: "Remove one of them, or make them equal."})
		return conf, confPlace
	case inConf:
		return conf, confPlace
	case inEnv:
		return env, l.env.at(key).String()
	}
	return fallback, fallbackSource
}

func (l *loader) userSettings() error {
	s, near, err := readSettings(l.p.Dir, l.env.get, l.errs)
	l.p.Warnings = append(l.p.Warnings, near...)
	l.p.Settings = s
	return err
}
