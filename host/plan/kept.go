package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/odooconf"
)

// readKept reads a person's own compose file (ODPM_COMPOSE=keep) and takes
// names, image, data, port and login from it: the file is used as it is.
func (s *Session) readKept(ctx context.Context) error {
	p := s.Project
	if !p.KeepCompose {
		return nil
	}
	f, err := compose.Read(ctx, p.Dir, p.Env)
	if err != nil {
		return err
	}
	if err := f.Use(p.Env["POSTGRES_SERVICE_NAME"], p.Env["ODOO_SERVICE_NAME"]); err != nil {
		return err
	}
	if f.Postgres == nil {
		return undecided("PostgreSQL", "POSTGRES_SERVICE_NAME", f.Files[0], f.PostgresCandidates)
	}
	if f.Odoo == nil {
		return undecided("Odoo", "ODOO_SERVICE_NAME", f.Files[0], f.OdooCandidates)
	}
	s.kept = f
	s.secrets().Add(f.Secrets()...)
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
	if f.Odoo.Image != "" {
		p.OdooImage = f.Odoo.Image
	}
	if f.Odoo.DataDir != "" {
		p.OdooDataDir = f.Odoo.DataDir
	}
	if len(f.Odoo.FilestoreDirs) > 0 || f.Odoo.FilestoreDir != "" {
		// What the file mounts is what Odoo sees.
		p.FilestoreDir, p.FilestoreDirs = f.Odoo.FilestoreDir, f.Odoo.FilestoreDirs
	}
	for _, problem := range f.Problems {
		switch problem.Code {
		case "password_in_clear", "other_services", "role":
			// It is their file; what is in it is not news at every command.
			continue
		}
		text := problem.Message
		if problem.Way != "" {
			text += ". " + problem.Way
		}
		s.Warnings = append(s.Warnings, s.Rel(f.Files[0])+": "+text)
	}
	return s.keptLogin(p, f.Odoo)
}

func undecided(what, key, file string, candidates []string) error {
	if len(candidates) == 0 {
		return fmt.Errorf("%s: no service looks like %s; name it in .env: %s=…", file, what, key)
	}
	return fmt.Errorf("%s: which service is %s? Name it in .env: %s=%s", file, what, key, strings.Join(candidates, " or "))
}

// keptLogin takes the login from what the file tells Odoo where the project
// itself says none.
func (s *Session) keptLogin(p *project.Project, odoo *compose.ForeignOdoo) error {
	if p.OdooConf == nil && odoo.ConfPath != "" {
		conf, err := odooconf.Load(odoo.ConfPath)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Rel(odoo.ConfPath), err)
		}
		p.OdooConf, p.OdooConfPath = conf, odoo.ConfPath
		if v, ok := conf.Value("db_user", p.OdooMajor); ok && p.AppRoleSource == "default" {
			p.AppRole, p.AppRoleSource = v, s.Rel(odoo.ConfPath)
		}
		if v, ok := conf.Value("db_password", p.OdooMajor); ok && p.AppPasswordSource == "default" {
			p.AppPassword, p.AppPasswordSource = v, s.Rel(odoo.ConfPath)
		}
	}
	if odoo.Role != "" && p.AppRoleSource == "default" {
		p.AppRole, p.AppRoleSource = odoo.Role, "the compose file"
	}
	if odoo.Password != "" && p.AppPasswordSource == "default" {
		p.AppPassword, p.AppPasswordSource = odoo.Password, "the compose file"
	}
	if p.OdooConf != nil {
		return nil
	}
	// The file tells Odoo by other means; what it tells is compared, in the
	// form of an odoo.conf that is nowhere written.
	host, port := odoo.Host, odoo.DBPort
	if host == "" {
		host = "db" // the official image's own default
	}
	if port == 0 {
		port = compose.PostgresPort
	}
	s.keptConf = fmt.Appendf(nil, "[options]\ndb_host = %s\ndb_port = %d\ndb_user = %s\n", host, port, p.AppRole)
	conf, err := odooconf.Parse(s.keptConf)
	p.OdooConf = conf
	return err
}

// keptCommand is what the kept file starts Odoo with: entrypoint and command.
func (s *Session) keptCommand(entrypoint, command []string) []string {
	svc := s.kept.Doc.Services[s.Project.OdooServiceName]
	if len(svc.Entrypoint) > 0 {
		entrypoint, command = svc.Entrypoint, nil
	}
	if len(svc.Command) > 0 {
		command = svc.Command
	}
	return append(append([]string(nil), withoutChecker(entrypoint)...), command...)
}

// FilestoreInVolume tells whether a kept compose file has Odoo's data_dir in a
// volume instead of a directory of this machine, and which file that is.
func (s *Session) FilestoreInVolume() (file string, inVolume bool) {
	if s.kept == nil || s.kept.Odoo.DataDir != "" {
		return "", false
	}
	return s.Rel(s.kept.Files[0]), true
}
