package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/handoff"
)

// odooConfStep repairs odoo.conf.
type odooConfStep struct{}

func (odooConfStep) ID() string          { return "template.odoo_conf" }
func (odooConfStep) Description() string { return "Let odoo.conf name the PostgreSQL service" }

func (odooConfStep) Preview(_ context.Context, s *Session) (Preview, error) {
	w := s.want
	if w.confChange == "" {
		return noop("db_host, db_port and db_user are set"), nil
	}
	return Preview{Outcome: Update, Required: true, Reason: w.confChange,
		Diff: diffFiles(s.Rel(s.Project.OdooConfPath), w.confOld, w.conf)}, nil
}

func (odooConfStep) Apply(_ context.Context, s *Session) error {
	w := s.want
	if w.confChange == "" {
		return nil
	}
	path := s.Project.OdooConfPath
	if real, err := filepath.EvalSymlinks(path); err == nil {
		// A link stays a link; what it points to is the person's file.
		path = real
	}
	mode, uid, gid := os.FileMode(0o644), -1, -1
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		uid, gid = owner(info)
	}
	if err := durable.WriteFile(path, w.conf, mode); err != nil {
		return err
	}
	if os.Geteuid() == 0 && uid >= 0 {
		// The rename made a file of root's; who could read it must still.
		return os.Chown(path, uid, gid)
	}
	return nil
}

// handoffStep tells the checker what to prove.
type handoffStep struct{}

func (handoffStep) ID() string          { return "checker.handoff" }
func (handoffStep) Description() string { return "Tell the checker what to prove" }

func (handoffStep) Preview(_ context.Context, s *Session) (Preview, error) {
	old, changed, err := fileChange(s.handoffPath(), s.want.handoffBytes)
	if err != nil {
		return Preview{}, err
	}
	envOld, envChanged, err := s.envChange()
	if err != nil {
		return Preview{}, err
	}
	switch {
	case changed && old == nil:
		return Preview{Outcome: Update, Required: true, Reason: "there is no " + s.Rel(s.handoffPath()), Diff: diffFiles(s.Rel(s.handoffPath()), nil, s.want.handoffBytes)}, nil
	case changed:
		return Preview{Outcome: Update, Required: true, Reason: s.Rel(s.handoffPath()) + " is stale", Diff: diffFiles(s.Rel(s.handoffPath()), old, s.want.handoffBytes)}, nil
	case envChanged:
		return Preview{Outcome: Update, Required: true, Reason: "the database password changed", Diff: diffFiles(s.Rel(s.Dirs.SecretPath(odooEnvFile)), envOld, s.want.passwordEnv)}, nil
	}
	return noop("checker.json is current"), nil
}

func (s *Session) envChange() (old []byte, changed bool, err error) {
	if s.want.passwordEnv == nil {
		return nil, false, nil
	}
	return fileChange(s.Dirs.SecretPath(odooEnvFile), s.want.passwordEnv)
}

func (handoffStep) Apply(ctx context.Context, s *Session) error {
	if err := s.ownDirs(ctx); err != nil {
		return err
	}
	if err := s.Dirs.Ensure(); err != nil {
		return err
	}
	if _, changed, err := fileChange(s.handoffPath(), s.want.handoffBytes); err != nil {
		return err
	} else if changed {
		if err := handoff.Save(s.Dirs.Runtime(), s.want.handoff); err != nil {
			return err
		}
	}
	_, changed, err := s.envChange()
	if err != nil || !changed {
		return err
	}
	s.resolved = nil
	return durable.WriteFile(s.Dirs.SecretPath(odooEnvFile), s.want.passwordEnv, 0o600)
}

// ownDirs decides whom directories made for the container belong to: as root
// Odoo runs as the image's own user.
func (s *Session) ownDirs(ctx context.Context) error {
	if os.Geteuid() != 0 || s.Stack == nil || s.want.image.ref == "" {
		return nil
	}
	if s.kept != nil {
		var uid, gid int
		var err error
		switch n, _ := fmt.Sscanf(s.kept.Odoo.User, "%d:%d", &uid, &gid); n {
		case 2:
			s.Dirs.UID, s.Dirs.GID, err = s.hostIDs(ctx, s.Project.OdooImage, uid, gid)
			return err
		case 1:
			s.Dirs.UID, s.Dirs.GID, err = s.hostIDs(ctx, s.Project.OdooImage, uid, uid)
			return err
		}
	}
	image := s.Project.OdooImage
	// On a fresh machine this is the first use of the image.
	err := s.pullOdoo(ctx)
	if s.SkipStart && errors.Is(err, engine.ErrNoImage) {
		return nil
	}
	if err != nil {
		return err
	}
	uid, gid, err := s.Stack.UserID(ctx, image)
	if err != nil {
		return fmt.Errorf("whom %s runs as: %w", image, err)
	}
	s.Dirs.UID, s.Dirs.GID, err = s.hostIDs(ctx, image, uid, gid)
	return err
}

// imageStep puts the checker into the Odoo image.
type imageStep struct{}

func (imageStep) ID() string          { return "checker.image" }
func (imageStep) Description() string { return "Put the checker in front of Odoo" }

func (imageStep) Preview(_ context.Context, s *Session) (Preview, error) {
	im := s.want.image
	switch {
	case s.EngineKind == nativeEngine:
		return skip(im.reason), nil
	case s.Project.KeepCompose:
		return skip("ODPM_COMPOSE=keep: the compose file's own image is used"), nil
	case im.build && !im.present && s.Stack == nil:
		return skip("Docker was not asked whether the image is there"), nil
	case im.build && !im.present && s.SkipStart && !im.baseKnown:
		return skip(s.Project.OdooImage + " is not on this machine; --skip-start pulls nothing"), nil
	case im.build && !im.present:
		return run(im.reason), nil
	case im.build:
		return noop(im.ref + " is built"), nil
	}
	return noop(im.reason), nil
}

func (imageStep) Apply(ctx context.Context, s *Session) error {
	im := &s.want.image
	if s.Stack == nil || s.Project.KeepCompose || !im.build || im.present || s.SkipStart && !im.baseKnown {
		return nil
	}
	if err := s.pullOdoo(ctx); err != nil {
		return err
	}
	s.Term.Step("building %s", im.ref)
	if err := s.buildImage(ctx); err != nil {
		return err
	}
	im.present = true
	s.spec = s.composeSpec(s.want)
	doc, err := compose.Build(s.spec)
	s.want.compose = doc
	return err
}

// composeStep writes docker-compose.yml.
type composeStep struct{}

func (composeStep) ID() string          { return "compose.generate" }
func (composeStep) Description() string { return "Write " + compose.FileName }

func (composeStep) Preview(_ context.Context, s *Session) (Preview, error) {
	if s.Project.KeepCompose {
		return skip("ODPM_COMPOSE=keep"), nil
	}
	path := s.composePath()
	old, changed, err := fileChange(path, s.want.compose)
	if err != nil {
		return Preview{}, err
	}
	beside := compose.Beside(path)
	if !changed && len(beside) == 0 {
		return noop(compose.FileName + " is current"), nil
	}
	reason := compose.FileName + " is stale"
	switch {
	case len(beside) > 0 && s.ReplaceCompose:
		reason = s.Rel(beside[0]) + " is moved aside under a dated name"
	case len(beside) > 0:
		reason = s.Rel(beside[0]) + " was not written by odpm"
	case old == nil:
		reason = "there is no " + compose.FileName
	case !compose.IsOurs(old) && s.ReplaceCompose:
		reason = "a foreign " + compose.FileName + " is replaced; a dated copy is kept"
	case !compose.IsOurs(old):
		reason = compose.FileName + " was not written by odpm"
	}
	return Preview{Outcome: Update, Required: true, Reason: reason, Diff: diffFiles(compose.FileName, old, s.want.compose)}, nil
}

func (composeStep) Apply(ctx context.Context, s *Session) error {
	if s.Project.KeepCompose {
		return nil
	}
	// What compose mounts must exist: Docker would make it as root.
	if !s.Project.External {
		if _, err := s.Dirs.Secret(bootstrapSecret); err != nil {
			return err
		}
		if err := s.giveSecret(ctx); err != nil {
			return err
		}
	}
	if err := s.makeDataDirs(); err != nil {
		return err
	}
	done, err := compose.Write(s.composePath(), s.want.compose, compose.WriteOptions{Replace: s.ReplaceCompose})
	if err != nil {
		return err
	}
	if done.Changed {
		s.resolved = nil
	}
	for _, c := range done.Copies {
		s.Term.Say("odpm: the former %s is kept as %s", s.Rel(c.Path), s.Rel(c.Copy))
	}
	return nil
}

// giveSecret lets the root of a container read the secret, who is nobody on
// this machine where uids are remapped.
func (s *Session) giveSecret(ctx context.Context) error {
	if !s.remapped || os.Geteuid() != 0 {
		return nil
	}
	image, err := s.someImage(ctx)
	if err != nil || image == "" {
		return err
	}
	uid, gid, err := s.hostIDs(ctx, image, 0, 0)
	if err != nil {
		return err
	}
	return os.Lchown(s.Dirs.SecretPath(bootstrapSecret), uid, gid)
}

// makeDataDirs makes data/odoo for the uid that Odoo has. PostgreSQL's
// directory is made by the engine that starts it.
func (s *Session) makeDataDirs() error {
	dir := s.Project.OdooDataDir
	if os.Geteuid() == 0 && s.Stack != nil && s.Dirs.UID < 0 {
		// --skip-start without the image: whose it must be is not known yet.
		return nil
	}
	if _, err := os.Stat(dir); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if s.Dirs.UID >= 0 {
			if err := os.Chown(dir, s.Dirs.UID, s.Dirs.GID); err != nil {
				return err
			}
		}
	}
	// Docker would make the mount points as root, and filestore around them:
	// Odoo could make no other database's.
	var owner *filestore.Owner
	if s.Dirs.UID >= 0 {
		owner = &filestore.Owner{UID: s.Dirs.UID, GID: s.Dirs.GID}
	}
	return s.filestores().Prepare(owner)
}

// validateStep asks compose itself.
type validateStep struct{}

func (validateStep) ID() string          { return "compose.validate" }
func (validateStep) Description() string { return "Let docker compose check the files" }

func (validateStep) Preview(_ context.Context, s *Session) (Preview, error) {
	if s.EngineKind == nativeEngine || s.Stack == nil {
		return skip("Docker is not asked"), nil
	}
	if s.want.compose != nil {
		if _, changed, err := fileChange(s.composePath(), s.want.compose); err != nil || changed {
			return run("the files change"), err
		}
	}
	return noop("the files did not change"), nil
}

func (validateStep) Apply(ctx context.Context, s *Session) error {
	if s.Stack == nil {
		return nil
	}
	// Its whole document is the stricter question, and will be needed.
	if _, err := s.config(ctx); err != nil {
		return fmt.Errorf("docker compose does not accept the project's files: %w", err)
	}
	return nil
}
