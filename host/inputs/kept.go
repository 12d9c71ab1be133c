package inputs

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/shell"
)

// readKept reads a person's own compose file (ODPM_COMPOSE=keep). The project
// that counts then is another value: with names, image, data, port and login
// of the file, which is used as it is.
func (in *Inputs) readKept(ctx context.Context) error {
	was := in.Project
	f, err := foreign.Read(ctx, was.Dir, was.Env)
	if err != nil {
		return err
	}
	if err := f.Use(was.Setting("POSTGRES_SERVICE_NAME"), was.Setting("ODOO_SERVICE_NAME")); err != nil {
		return err
	}
	if f.Postgres == nil && was.External {
		return fmt.Errorf("ODPM_COMPOSE=keep and ODPM_POSTGRES=external: a compose file is kept only together with its PostgreSQL, and %s has none. Take ODPM_COMPOSE=keep out of .env, then:\n  odpm adopt %s --external        odpm's own file in its place, with what this one has", in.Rel(f.Files[0]), shell.Quote(in.Rel(f.Files[0])))
	}
	if f.Postgres == nil {
		return undecided("PostgreSQL", "POSTGRES_SERVICE_NAME", f.Files[0], f.PostgresCandidates)
	}
	if f.Odoo == nil {
		return undecided("Odoo", "ODOO_SERVICE_NAME", f.Files[0], f.OdooCandidates)
	}
	for _, problem := range f.Problems {
		switch problem.Code {
		case "password_in_clear", "other_services", "role", "build", "no_port", "random_port", "odoo_port":
			// It is their file; what is in it is not news at every command.
			continue
		case "layout":
			continue // keeping the file is the way out
		case "open_port":
			problem.Way = "if nobody connects from elsewhere, publish it on 127.0.0.1 there"
		case "anonymous_volume", "mount_target":
			problem.Way = "after docker compose down nothing refers to that volume, and the next start makes a new, empty cluster; give the service a named volume there, after odpm -d NAME --db-backup of each database"
		}
		text := problem.Message
		if problem.Way != "" {
			text += "; " + problem.Way
		}
		in.Warnings = append(in.Warnings, in.Rel(f.Files[0])+": "+text)
	}
	p, err := in.withLogin(withFile(*was, f), f.Odoo, f.Postgres)
	if err != nil {
		return err
	}
	in.Kept, in.OdooUser = f, f.Odoo.User
	if p.OdooConf == nil {
		// The file tells Odoo by other means; what it tells is compared, in the
		// form of an odoo.conf that is nowhere written.
		if in.KeptConf, err = confOf(p.AppRole, f.Odoo); err != nil {
			return fmt.Errorf("%s: odoo.conf in it: %w", in.Rel(f.Files[0]), err)
		}
		if p.OdooConf, err = odooconf.Parse(in.KeptConf); err != nil {
			return err
		}
	}
	in.Project = &p
	return nil
}

// withFile is the project with what the compose file says instead.
func withFile(p project.Project, f *foreign.File) project.Project {
	pg := f.Postgres
	p.Name, p.PlainName, p.Prefix = f.Name, f.Name, ""
	p.ServiceName, p.OdooServiceName, p.VolumeName = pg.Service, f.Odoo.Service, pg.VolumeKey
	p.PostgresImage, p.DataDir, p.DataVolume = pg.Image, pg.DataDir, pg.DataVolume
	if pg.Major != 0 {
		p.PostgresMajor = pg.Major
	}
	if pg.Tag != "" {
		p.PostgresVersion = pg.Tag
	}
	if pg.Port != 0 {
		p.PostgresPort, p.PostgresBind = pg.Port, pg.Bind
	}
	if f.Odoo.HTTPPort != 0 {
		p.OdooPort = f.Odoo.HTTPPort
	}
	if image := f.OdooImage(); image != "" {
		p.OdooImage = image
	}
	if f.Odoo.DataDir != "" {
		p.OdooDataDir = f.Odoo.DataDir
	}
	if len(f.Odoo.FilestoreDirs) > 0 || f.Odoo.FilestoreDir != "" {
		// What the file mounts is what Odoo sees.
		p.FilestoreDir, p.FilestoreDirs = f.Odoo.FilestoreDir, f.Odoo.FilestoreDirs
	}
	return p
}

// withLogin takes the login from what the file tells Odoo where the project
// itself says none.
func (in *Inputs) withLogin(p project.Project, odoo *foreign.Odoo, pg *foreign.Postgres) (project.Project, error) {
	said := func(conf *odooconf.File, source string) {
		if v, ok := conf.Value("db_user", p.OdooMajor); ok && p.AppRoleSource == "default" {
			p.AppRole, p.AppRoleSource = v, source
		}
		if v, ok := conf.Value("db_password", p.OdooMajor); ok && p.AppPasswordSource == "default" {
			p.AppPassword, p.AppPasswordSource = v, source
		}
	}
	switch {
	case p.OdooConf != nil:
	case odoo.ConfPath != "":
		conf, err := odooconf.Load(odoo.ConfPath)
		if err != nil {
			return p, fmt.Errorf("%s: %w", in.Rel(odoo.ConfPath), err)
		}
		p.OdooConf, p.OdooConfPath = conf, odoo.ConfPath
		said(conf, in.Rel(odoo.ConfPath))
	case odoo.ConfText != "":
		if conf, err := odooconf.Parse([]byte(odoo.ConfText)); err == nil {
			said(conf, "the compose file")
		}
	}
	if odoo.Role != "" && p.AppRoleSource == "default" {
		p.AppRole, p.AppRoleSource = odoo.Role, "the compose file"
	}
	if odoo.Password != "" && p.AppPasswordSource == "default" {
		p.AppPassword, p.AppPasswordSource = odoo.Password, "the compose file"
	}
	if pg.Password != "" && p.AppRole == pg.Role && p.AppPasswordSource == "default" {
		// Odoo has it in a way that is not read here; with another one it could not log in.
		p.AppPassword, p.AppPasswordSource = pg.Password, "the compose file"
	}
	return p, nil
}

// confOf is an odoo.conf that is nowhere written: what the file has as a config, and
// what else it tells Odoo.
func confOf(role string, odoo *foreign.Odoo) ([]byte, error) {
	host, port := odoo.Host, odoo.DBPort
	if host == "" {
		host = "db" // the official image's own default
	}
	if port == 0 {
		port = compose.PostgresPort
	}
	text := odoo.ConfText
	if text == "" {
		text = "[options]\n"
	}
	for _, o := range [][2]string{{"db_host", host}, {"db_port", strconv.Itoa(port)}, {"db_user", role}} {
		conf, err := odooconf.Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		if v, ok := conf.Value(o[0], 0); ok && v != "" {
			continue
		}
		added, err := conf.Set(o[0], o[1])
		if err != nil {
			return nil, err
		}
		text = string(added)
	}
	return []byte(text), nil
}

// KeptCommand is what the kept file starts a service of Odoo's with, the image's
// entrypoint and command where the file says none.
func (in *Inputs) KeptCommand(service string, entrypoint, command []string) (entry, cmd []string) {
	svc := in.Kept.Doc.Services[service]
	if svc.Entrypoint != nil {
		entrypoint, command = svc.Entrypoint, nil
	}
	if svc.Command != nil {
		command = svc.Command
	}
	return slices.Clone(entrypoint), slices.Clone(command)
}

// WithoutChecker is what an entrypoint with the checker in front starts.
func WithoutChecker(entrypoint []string) []string {
	for i, w := range entrypoint {
		if w == "--" {
			return entrypoint[i+1:]
		}
	}
	return entrypoint
}
