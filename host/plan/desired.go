package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/snapshot"
)

// desired are the files as this run wants them.
type desired struct {
	// conf is odoo.conf with db_host repaired; confOld is what is there, nil
	// for none. confChange says why it changes, "" if it does not.
	conf, confOld []byte
	confChange    string
	parsed        *odooconf.File
	handoff       *handoff.Handoff
	// handoffBytes is checker.json.
	handoffBytes []byte
	// passwordEnv is .odpm/state/odoo.env, nil where odoo.conf has the password.
	passwordEnv []byte
	image       imageWish
	// compose is docker-compose.yml, nil with ODPM_COMPOSE=keep.
	compose []byte
}

const odooEnvFile = "odoo.env"

// wish computes the files. Nothing is written.
func (s *Session) wish(ctx context.Context) error {
	w := &desired{}
	s.want = w
	if err := s.wishConf(w); err != nil {
		return err
	}
	p := s.Project
	p.OdooConf = w.parsed
	cand := s.candidate()
	id, err := handoff.Identify(&cand, w.conf)
	if err != nil {
		return err
	}
	w.handoff = &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: cand, OdooMajor: p.OdooMajor}
	if w.handoffBytes, err = w.handoff.Encode(); err != nil {
		return err
	}
	if _, inConf := w.parsed.Value("db_password", p.OdooMajor); !inConf && s.kept == nil {
		if w.passwordEnv, err = compose.PasswordEnv(p.AppPassword); err != nil {
			return err
		}
	}
	if err := s.wishImage(ctx, w); err != nil {
		return err
	}
	if p.KeepCompose {
		return nil
	}
	s.Warnings = append(s.Warnings, compose.ServiceWarnings(*p)...)
	s.spec = s.composeSpec(w)
	if w.compose, err = compose.Build(s.spec); err != nil {
		return err
	}
	return nil
}

// candidate is what the next login is to prove: the project of today with
// odoo.conf as it will be.
func (s *Session) candidate() snapshot.Snapshot {
	c := *s.Observed.Candidate.Clone()
	if s.want != nil && s.want.parsed != nil {
		conf := s.want.parsed
		c.OdooConf.DBHost, _ = conf.Value("db_host", s.Project.OdooMajor)
		if n, ok, err := conf.Int("db_port", s.Project.OdooMajor); ok && err == nil {
			c.OdooConf.DBPort = n
		}
	}
	c.Cluster.DataDirNonempty = true
	return c
}

func (s *Session) composeSpec(w *desired) compose.Spec {
	p := *s.Project
	spec := compose.Spec{
		Project: p, OdooImage: w.image.ref, Entrypoint: w.image.entrypoint, Command: w.image.command,
		HandoffID: w.handoff.ID, PostgresPasswordFile: s.Dirs.SecretPath(bootstrapSecret), ImagePGData: s.imagePGData,
	}
	if uid := os.Getuid(); uid != 0 {
		// What Odoo writes into mounts belongs to the person.
		spec.User = strconv.Itoa(uid) + ":" + strconv.Itoa(os.Getgid())
	}
	if w.passwordEnv != nil {
		spec.OdooEnvFile = s.Dirs.SecretPath(odooEnvFile)
	}
	return spec
}

// wishConf repairs odoo.conf: db_host where it cannot work on the compose
// network, db_port and db_user where they are missing. Every other line stays
// byte for byte.
func (s *Session) wishConf(w *desired) error {
	p := s.Project
	if s.keptConf != nil {
		w.conf, w.confOld, w.parsed = s.keptConf, s.keptConf, p.OdooConf
		return nil
	}
	old, err := regular.Read(p.OdooConfPath, odooconf.MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.conf = []byte("[options]\n")
		w.confChange = "there is no " + s.Rel(p.OdooConfPath)
	case err != nil:
		return fmt.Errorf("%s: %w", s.Rel(p.OdooConfPath), err)
	default:
		w.conf, w.confOld = old, old
	}
	set := func(key, value string) error {
		f, err := odooconf.Parse(w.conf)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Rel(p.OdooConfPath), err)
		}
		w.conf, err = f.Set(key, value)
		return err
	}
	f, err := odooconf.Parse(w.conf)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Rel(p.OdooConfPath), err)
	}
	w.parsed = f
	if p.External {
		return nil
	}
	host, _ := f.Value("db_host", p.OdooMajor)
	if host != p.ServiceName {
		if problem := s.foreignHost(host); problem != nil {
			s.Problems = append(s.Problems, problem)
			return nil
		}
		if err := set("db_host", p.ServiceName); err != nil {
			return err
		}
		if w.confChange == "" {
			w.confChange = fmt.Sprintf("db_host %s -> %s", wording.OrUnset(host), p.ServiceName)
		}
	}
	for _, o := range []struct{ key, value string }{{"db_port", strconv.Itoa(compose.PostgresPort)}, {"db_user", p.AppRole}} {
		if _, ok := f.Value(o.key, p.OdooMajor); ok {
			continue
		}
		if err := set(o.key, o.value); err != nil {
			return err
		}
		if w.confChange == "" {
			w.confChange = o.key + " is not set"
		}
	}
	if n, ok, err := f.Int("db_port", p.OdooMajor); ok && err == nil && n != compose.PostgresPort {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s:%d: db_port is %d, but PostgreSQL listens on %d inside the compose network; POSTGRES_PORT (%d) is only the port on this machine",
			s.Rel(p.OdooConfPath), f.Line("db_port"), n, compose.PostgresPort, p.PostgresPort))
	}
	w.parsed, err = odooconf.Parse(w.conf)
	return err
}

// maxWritten is more than any file has that odpm writes.
const maxWritten = 16 << 20

// fileChange compares a file with the wanted bytes; nil old means no file.
func fileChange(path string, want []byte) (old []byte, changed bool, err error) {
	old, err = regular.Read(path, maxWritten)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return old, !bytes.Equal(old, want), nil
}

// handoffPath is checker.json on the host.
func (s *Session) handoffPath() string {
	return filepath.Join(s.Dirs.Runtime(), handoff.FileName)
}
