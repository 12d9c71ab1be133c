package apply

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
)

// engineShares refuses an engine that does not see this machine's directories,
// one behind DOCKER_HOST or a context: a backup would leave the filestore out,
// a drop would take the database there and the files here. A file that was just
// written is looked for from a container, once for each engine.
func (s *Run) engineShares(ctx context.Context) error {
	if s.Stack == nil {
		return nil
	}
	info, err := s.Stack.EngineInfo(ctx)
	if err != nil {
		return err
	}
	s.remapped = info.Remapped
	word := info.ID + " " + s.Project.Dir
	if known, err := s.Dirs.Remembered(state.SharedFile); err == nil && info.ID != "" && known == word {
		return nil
	}
	image, err := s.someImage(ctx)
	if err != nil || image == "" {
		return err
	}
	nonce := rand.Text()
	// Named as shared/durable names its temporary files: a kill's is swept.
	path := filepath.Join(s.Dirs.Runtime(), ".engine."+nonce[:8]+".tmp")
	if err := durable.WriteFile(path, []byte(nonce), 0o644); err != nil {
		return err
	}
	defer os.Remove(path)
	sees, err := s.Stack.Sees(ctx, image, path, nonce)
	if err != nil {
		return err
	}
	if !sees {
		return &ui.Refusal{
			Code: codes.EngineElsewhere,
			What: fmt.Sprintf("The Docker engine does not see this machine's directories: a container cannot see a file that was just written in %s. The engine runs on another machine and would use different files. Nothing was started or stopped.", s.Dirs.Runtime()),
			Ways: []string{"docker context use default        the engine of this machine, with DOCKER_HOST unset",
				"or run odpm on the machine that the engine runs on",
				"or ODPM_RUNTIME=native in .env        PostgreSQL of this machine, without Docker"},
		}
	}
	return s.Dirs.Remember(state.SharedFile, word)
}

// someImage is one that a container can be made of, "" where there is none:
// what needs one says so then.
func (s *Run) someImage(ctx context.Context) (string, error) {
	refs := []string{s.PostgresImage, s.Project.PostgresImage, s.Project.OdooImage, s.Desired.Image.Ref}
	for _, ref := range refs {
		if ref == "" {
			continue
		}
		_, err := s.Stack.Image(ctx, ref)
		if err == nil {
			return ref, nil
		}
		if !errors.Is(err, engine.ErrNoImage) {
			return "", err
		}
	}
	if s.Want.Goal == plan.Files || s.Project.PostgresImage == "" || s.Project.External {
		return "", nil
	}
	if err := pull(ctx, s.Term, s.Stack, s.Project.PostgresImage, s.nothingDone()); err != nil {
		return "", err
	}
	return s.Project.PostgresImage, nil
}

// hostIDs are a container's uid and gid as this machine counts them.
func (s *Run) hostIDs(ctx context.Context, image string, uid, gid int) (int, int, error) {
	if !s.remapped {
		return uid, gid, nil
	}
	return s.Stack.HostIDs(ctx, image, uid, gid)
}

// giveSecret lets PostgreSQL's container read the secret. One whose user is not root
// may read it as everybody may: the directory that it is in is closed to them, and no
// container has that mounted. Where uids are remapped, a container's root is nobody on
// this machine.
func (s *Run) giveSecret(ctx context.Context, path string) error {
	if s.kept != nil {
		return nil // nothing mounts it
	}
	user := s.Inputs.PostgresUser
	if user == "" && s.Stack != nil {
		conf, err := s.Stack.ImageConf(ctx, s.PostgresImage)
		if err != nil && !errors.Is(err, engine.ErrNoImage) {
			return err
		}
		user = conf.User
	}
	if !engine.IsRoot(user) {
		return s.Dirs.OpenSecret(filepath.Base(path))
	}
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
	return os.Lchown(path, uid, gid)
}
