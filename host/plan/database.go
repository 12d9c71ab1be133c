package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/ui"
)

// DatabaseRequest is what `odpm -d NAME …` asks for. Whatever is asked for is
// done in one order: backup, drop or restore, -i and -u, administrator's
// password, start.
type DatabaseRequest struct {
	Name string
	Drop bool
	// Yes: nobody is asked.
	Yes      bool
	SetAdmin bool

	Restore                             string
	KeepOld, Neutralize, Copy, AnyFiles bool

	Backup       bool
	BackupFile   string
	BackupFormat string
	AllFiles     bool

	Init, Update               bool
	InitModules, UpdateModules []string
}

// Any tells whether something is asked of a database at all.
func (r DatabaseRequest) Any() bool {
	return r.Drop || r.SetAdmin || r.Restore != "" || r.Backup || r.Init || r.Update
}

// DatabaseResult is what goes to stdout.
type DatabaseResult struct {
	// Archive is the path of a backup, URL Odoo's where it was started.
	Archive, URL string
}

// databaseWork is one run's.
type databaseWork struct {
	*Session
	req    DatabaseRequest
	server *odoodb.Server
	shown  ui.Progress
	result DatabaseResult
	// existed is whether the database was there at the start.
	existed bool
}

// RunDatabase does it.
func RunDatabase(ctx context.Context, o Options, req DatabaseRequest) (DatabaseResult, error) {
	if err := confirmDrop(o.Term, req); err != nil {
		return DatabaseResult{}, err
	}
	s, unlock, err := begin(ctx, o)
	if err != nil {
		return DatabaseResult{}, err
	}
	defer unlock()
	if s.SkipStart {
		return DatabaseResult{}, ui.Usagef("--skip-start and work on a database exclude each other: PostgreSQL must run for it")
	}
	if err := s.filestoreHere(req); err != nil {
		return DatabaseResult{}, err
	}
	w := &databaseWork{Session: s, req: req, server: s.databaseServer(), shown: s.Term.NewProgress(o.Progress)}
	defer w.shown.Close()
	if err := w.prepare(); err != nil {
		return w.result, err
	}
	if err := s.applyFiles(ctx); err != nil {
		return w.result, err
	}
	if err := s.startPostgres(ctx); err != nil {
		return w.result, err
	}
	if s.ensuresRole() && !s.adoption() {
		if _, err := s.ensureRole(ctx); err != nil {
			return w.result, err
		}
	}
	if err := s.recover(ctx); err != nil {
		return w.result, err
	}
	return w.result, w.do(ctx)
}

// confirmDrop asks before anything else: a drop alone cannot be undone. A
// restore that follows makes it safe, because the old database goes only when
// the new one is proven.
func confirmDrop(t *ui.Terminal, r DatabaseRequest) error {
	if !r.Drop || r.Restore != "" || r.Yes {
		return nil
	}
	what := fmt.Sprintf("--db-drop removes the database %q and its filestore for good", r.Name)
	ok, err := t.AskName(what+". Type its name to go on:", r.Name)
	switch {
	case errors.Is(err, ui.ErrNobodyToAsk):
		return &ui.Refusal{What: what + "; that needs a confirmation, and nobody is there to ask. Nothing was written or started.",
			Ways: []string{"add --yes"}, Err: err}
	case err != nil:
		return err
	case !ok:
		return &ui.Refusal{What: "That is not the database's name. Nothing was dropped."}
	}
	return nil
}

// filestoreHere refuses work on file stores that are not in a directory of
// this machine: a kept compose file may have them in a volume, and a backup
// without them would be called complete.
func (s *Session) filestoreHere(r DatabaseRequest) error {
	if s.kept == nil || s.kept.Odoo.DataDir != "" || !r.Backup && r.Restore == "" && !r.Drop {
		return nil
	}
	return &ui.Refusal{
		What: fmt.Sprintf("%s keeps Odoo's data_dir in a volume, not in a directory of this machine, so odpm cannot reach the filestore. Nothing was written or started.", s.rel(s.kept.Files[0])),
		Ways: []string{fmt.Sprintf("mount a directory in service %s: ./data/odoo:/var/lib/odoo, with the volume's content copied into it", s.Project.OdooServiceName)},
	}
}

// databaseServer is the server as odoodb wants it.
func (s *Session) databaseServer() *odoodb.Server {
	return &odoodb.Server{
		PG: s.PG, AppRole: s.Project.AppRole, AppPassword: s.Project.AppPassword,
		Admin: func(ctx context.Context, database string) (*pgx.Conn, error) {
			return cluster.Admin(ctx, s.PG, s.hints(), database)
		},
		OdooDataDir: s.Project.OdooDataDir, StateDir: s.Dirs.State(),
	}
}

// recover deals with work that a crash cut short, before anything else.
func (s *Session) recover(ctx context.Context) error {
	if s.PG == nil {
		return nil
	}
	if odoodb.Interrupted(s.Dirs.State()) && !s.status.Ready {
		if err := s.startPostgres(ctx); err != nil {
			return err
		}
	}
	done, err := s.databaseServer().Recover(ctx, s.odooService())
	for _, r := range done {
		if r.Completed {
			s.Term.Say("odpm: an interrupted restore of %s was completed", ui.Clean(r.Database))
		} else {
			s.Term.Say("odpm: an interrupted restore of %s was undone; the database is as it was before", ui.Clean(r.Database))
		}
		if r.Kept != "" {
			s.Term.Warn("the replaced database is still there: %s", ui.Clean(r.Kept))
		}
	}
	if err != nil {
		return fmt.Errorf("interrupted work could not be put right: %w", err)
	}
	return nil
}

// prepare reads what can be wrong before PostgreSQL is started.
func (w *databaseWork) prepare() error {
	if w.req.Restore != "" {
		file, err := findArchive(w.req.Restore, w.Project.BackupDir)
		if err != nil {
			return err
		}
		w.req.Restore = file
	}
	if w.req.SetAdmin {
		return w.adminPassword()
	}
	return nil
}

// adminPassword takes it from user_settings.json, or asks.
func (w *databaseWork) adminPassword() error {
	set := &w.Project.Settings
	if set.AdminPassword != "" {
		return nil
	}
	pw, err := w.Term.AskSecret("New password for Odoo's administrator:")
	if errors.Is(err, ui.ErrNobodyToAsk) {
		return errors.New("--set-admin-pass: user_settings.json has no db_creation_data.db_default_admin_password, and nobody is there to ask. Set it there; \"${VAR}\" reads it from the environment")
	}
	if err != nil {
		return err
	}
	if pw == "" {
		return &ui.Refusal{What: "No password was given. Nothing was changed."}
	}
	set.AdminPassword = pw
	return nil
}

// findArchive looks a relative name up in BACKUP_DIR, then here.
func findArchive(name, backupDir string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, path := range []string{filepath.Join(backupDir, name), name} {
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	here, _ := filepath.Abs(name)
	return "", fmt.Errorf("there is no archive %s, neither in BACKUP_DIR (%s) nor here (%s)", name, backupDir, here)
}

// do is the order of things.
func (w *databaseWork) do(ctx context.Context) error {
	r := &w.req
	var err error
	if w.existed, err = w.exists(ctx, r.Name); err != nil {
		return err
	}
	if r.Backup {
		if err := w.backup(ctx); err != nil {
			return err
		}
	}
	switch {
	case r.Restore != "":
		err = w.restore(ctx)
	case r.Drop:
		err = w.drop(ctx)
	}
	if err != nil {
		return err
	}
	if r.Init || r.Update {
		if err := w.modules(ctx); err != nil {
			return err
		}
	}
	if r.SetAdmin {
		if err := w.setAdmin(ctx); err != nil {
			return err
		}
	}
	if !r.Init && !r.Update {
		return nil
	}
	if err := (upStep{}).Apply(ctx, w.Session); err != nil {
		return err
	}
	if w.Stack != nil || w.Project.OdooCommand != "" {
		w.result.URL = w.URL()
	}
	return nil
}

func (w *databaseWork) exists(ctx context.Context, name string) (bool, error) {
	c, err := w.server.Admin(ctx, "postgres")
	if err != nil {
		return false, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	var there bool
	err = c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", name).Scan(&there)
	return there, err
}

// refuse makes odoodb's refusals a refusal of the run: nothing was touched.
func refuse(err error) error {
	if archive.IsRefused(err) || sqldump.IsRefused(err) || odoodb.IsUnproven(err) || odoodb.IsFileExists(err) {
		return &ui.Refusal{What: err.Error(), Err: err}
	}
	return err
}

// unaccent is odoo.conf's.
func (s *Session) unaccent() bool {
	v, _ := s.parsedConf().Value("unaccent", s.Project.OdooMajor)
	switch strings.ToLower(v) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}
