package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/snapshot"
)

// Options are what the command line says.
type Options struct {
	Dir     string
	Environ []string
	Home    string
	// Args are the arguments as typed, for the command that a refusal prints.
	Args []string
	// SkipStart starts no containers and no server.
	SkipStart bool
	// NoDocker asks no Docker engine (odpm plan --plan-no-docker).
	NoDocker       bool
	ReplaceCompose bool
	Accepted       drift.Accepted
	Term           *ui.Terminal
	Progress       string
	// Verbose says each step's outcome and reason before it is applied.
	Verbose bool
}

// secrets are what nothing may show; nil where nothing is shown.
func (o Options) secrets() *redact.Values {
	if o.Term == nil {
		return nil
	}
	return o.Term.Secrets
}

// Session is one look at a project and what follows from it.
type Session struct {
	Options
	Project *project.Project
	Dirs    state.Dirs
	// Snapshot is the last proven state, nil on the first run.
	Snapshot *snapshot.Snapshot
	Observed state.Observed
	Drifts   []drift.Drift
	// Problems are what stops a run before it has begun: refusals and errors.
	Problems []error
	Warnings []string

	// remapped: the engine's containers have other uids than this machine sees.
	remapped bool

	// EngineKind is "docker", "native", "external" or "" where none was asked.
	EngineKind string
	// PG is nil where no engine was asked; Stack is nil in native too.
	PG    engine.Remote
	Stack engine.StackWriter
	// own is PG where odpm runs it, nil for an external one.
	own engine.Writer

	startup cluster.Startup
	status  engine.Status
	facts   *cluster.Facts
	holders []engine.Holder
	odoo    engine.Container
	want    *desired
	spec    compose.Spec
	// kept is the person's own compose file, nil where odpm writes one.
	kept *compose.Foreign
	// merged is odpm's document with the person's override over it, nil without
	// one; postgresImage is set where that gives PostgreSQL another image.
	merged        *types.Project
	postgresImage string
	// keptConf stands for the odoo.conf that a kept file does without.
	keptConf []byte
	// notOurs is why the server that answers is not this project's.
	notOurs error
	// diskIdentifier is the system_identifier as the data directory has it.
	diskIdentifier string
	// imagePGData is where PostgreSQL's image keeps its data, "" for unknown.
	imagePGData string
	started     bool
	// drifted is set once something differs from the last proven login, and
	// stays: a role that was made in the meantime is no drift any more, and its
	// login has still to be proven.
	drifted bool
	// provenAt is when this run has seen the login without recording it anew.
	provenAt time.Time
	// resolved is compose's document of the files as they were found, nil
	// where it was not asked for or the files have changed since.
	resolved []byte
	// oldOdoo is the running Odoo container of another name of this project.
	oldOdoo string
	// oldOthers are the other services' running containers of the last run's
	// compose project, where that is another now.
	oldOthers []engine.Container
}

// snapshotPath is last_run.json.
func (s *Session) snapshotPath() string {
	return filepath.Join(s.Dirs.Database(), snapshot.FileName)
}

// Load looks at the project. It writes nothing, not even a lock.
func Load(ctx context.Context, o Options) (*Session, error) {
	p, err := project.Load(o.Dir, o.Environ, o.Home)
	if err != nil {
		return nil, err
	}
	o.secrets().Add(p.AppPassword, p.Settings.AdminPassword)
	o.secrets().Public(p.Words()...)
	s := &Session{Options: o, Project: p, Dirs: state.NewDirs(p.Dir), Warnings: p.Warnings}
	s.Snapshot, err = snapshot.Load(s.snapshotPath())
	if errors.Is(err, snapshot.ErrMissing) {
		s.Snapshot = nil
	} else if err != nil {
		return nil, err
	}
	if err := s.readKept(ctx); err != nil {
		return nil, err
	}
	s.readOverride(ctx)
	if err := s.chooseEngine(ctx); err != nil {
		return nil, err
	}
	if err := s.observe(ctx); err != nil {
		return nil, err
	}
	if err := s.wish(ctx); err != nil {
		return nil, err
	}
	s.findProblems(ctx)
	return s, nil
}

// sameDir compares directories through symbolic links and by inode.
func sameDir(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// Blocking: there is a high drift that was not accepted.
func (s *Session) Blocking() bool {
	return slices.ContainsFunc(drift.Open(s.Drifts, s.Accepted), drift.Drift.Blocking)
}

// adoption tells whether this run adopts the cluster: there is no snapshot.
func (s *Session) adoption() bool { return s.Snapshot == nil }

// ensuresRole tells whether the application role is ensured before Odoo
// starts: on adoption, and after what may have brought another cluster.
func (s *Session) ensuresRole() bool {
	return s.adoption() || drift.Has(s.Drifts, drift.DataPath, drift.PostgresMajor, drift.DataDirEmptyChanged,
		drift.AppRoleMissing, drift.ClusterIdentity)
}

// hints say how to become administrator of this cluster.
func (s *Session) hints() cluster.Hints {
	h := cluster.Hints{App: s.wanted(), Startup: &s.startup}
	if s.Project.External {
		a, _ := s.adminURL()
		if a.user != "" {
			h.Admins = []string{a.user}
		}
		h.Password = a.password
		return h
	}
	if s.kept != nil {
		h.Password = s.kept.Postgres.Password
		if role := s.kept.Postgres.Role; role != "" {
			h.Admins = []string{role}
		}
		return h
	}
	if pw, err := s.Dirs.Remembered(bootstrapSecret); err == nil {
		h.Password = pw
	}
	return h
}

// shownHints are hints for a preview: the password that a run generates is not
// there yet, and only that there will be one shows in the SQL.
func (s *Session) shownHints() cluster.Hints {
	h := s.hints()
	if h.Password == "" && !s.Project.KeepCompose && !s.Project.External {
		h.Password = "generated by the run"
	}
	return h
}

// wanted is the application role.
func (s *Session) wanted() cluster.Wanted {
	return cluster.Wanted{Role: s.Project.AppRole, Password: s.Project.AppPassword,
		Host: s.certificateName(), SSLMode: s.sslmode(), TLSFiles: s.tlsFiles()}
}

// bootstrapSecret names the generated password of a new cluster's superuser.
const bootstrapSecret = "postgres_password"
