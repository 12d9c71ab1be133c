// Package database is the work on one cluster's Odoo databases that a person
// asks for: `odpm -d NAME …` in its fixed order, the list, the proof of an
// archive. The plan brings PostgreSQL up, odoodb does each operation.
package database

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// Request is what `odpm -d NAME …` asks for. Whatever is asked for is done in
// one order: backup, drop or restore, -i and -u, administrator's password,
// start.
type Request struct {
	Name string
	Drop bool
	// Force drops what is not Odoo's, or not the application role's.
	Force bool
	// Yes: nobody is asked.
	Yes      bool
	SetAdmin bool

	Restore                             string
	KeepOld, Neutralize, Copy, AnyFiles bool
	// AnyConstraints leaves out what the rows break, AsAdmin are extensions that the
	// administrator creates for the archive.
	AnyConstraints bool
	AsAdmin        []string
	// AnyNeutral: a copy that cannot be made harmless is restored anyway.
	AnyNeutral bool

	Backup       bool
	BackupFile   string
	BackupFormat string
	AllFiles     bool
	// Keep says which of the database's older backups stay.
	Keep Keep

	// Open: nothing but the name is said. The database is made where there is none,
	// and Odoo started.
	Open                       bool
	Init, Update               bool
	InitModules, UpdateModules []string
}

// Any tells whether something is asked of a database at all.
func (r Request) Any() bool {
	return r.Drop || r.SetAdmin || r.Restore != "" || r.Backup || r.Init || r.Update || r.Open
}

// writes tells whether anything but a backup is asked for.
func (r Request) writes() bool {
	r.Backup = false
	return r.Any()
}

// readOnly refuses what a standby cannot do, before anything of it is begun: what
// was begun there could not be undone there either. Of database there may be a
// backup; "" is none.
func readOnly(s *apply.Run, reading bool, database string) error {
	if w := s.World.Server; reading || w == nil || !w.InRecovery {
		return nil
	}
	r := &ui.Refusal{Code: codes.ReadOnlyServer, What: "This PostgreSQL is a standby, which takes no writes. Nothing was started."}
	if database != "" {
		r.Ways = append(r.Ways, "odpm -d "+shell.Quote(database)+" --db-backup        works on a standby too")
	}
	way := "run the same command on the primary"
	if s.Project.External {
		way = "db_host and db_port of its primary in odoo.conf"
	}
	r.Ways = append(r.Ways, way+"        the standby follows: SELECT sender_host, sender_port FROM pg_stat_wal_receiver")
	return r
}

// readOnly is for what is asked for.
func (w *work) readOnly() error {
	there := w.req.Name
	if w.req.Restore != "" || w.req.Init || w.req.Open {
		there = "" // it may be made only now
	}
	return readOnly(w.Run, !w.req.writes(), there)
}

// checkName looks at the name before anything is done with it, a directory
// named after it included.
func (r Request) checkName() error {
	if r.Restore == "" && !r.Init && !r.Update && !r.Open {
		return server.CheckName(r.Name)
	}
	if err := server.CheckNewName(r.Name); err != nil {
		return err
	}
	if r.Drop && r.Restore == "" && r.Init {
		// Whether it is there or not, it is made.
		if err := server.CheckOdooName(r.Name); err != nil {
			return err
		}
	}
	if (r.Init || r.Update || r.Open) && strings.Contains(r.Name, ",") {
		return fmt.Errorf("database name %q: Odoo's own -d reads a comma as the end of a name and would work on other databases; for -i and -u choose a name without one", r.Name)
	}
	return nil
}

// Result is what goes to stdout.
type Result struct {
	// Archive is the path of a backup, URL Odoo's where it was started.
	Archive, URL string
	// Restored and BackedUp say what was done, nil for what was not asked for.
	Restored *restore.Report
	BackedUp *backup.Result
	// Away is for a run that has stopped Odoo, nil for any other.
	Away    *Away
	Dropped *drop.Report
	Admin   *adminpass.Report
	// Installed and Updated are the modules that -i and -u named, Removed the
	// older backups that --keep has removed.
	Installed, Updated, Removed []string
}

// Away is how long Odoo did not answer, or did not run where it does not answer
// HTTP yet.
type Away struct {
	Seconds float64
	Answers bool
}

// work is one run's.
type work struct {
	*apply.Run
	req    Request
	server *server.Server
	shown  ui.Progress
	result Result
	// existed is whether the database was there at the start.
	existed bool
	// odooStays: Odoo's container is what the project wants, and no other will be made.
	odooStays bool
	// adminSecret is the administrator's new password.
	adminSecret string
	// stopped is when Odoo, which ran, was stopped for a restore, -i or -u.
	stopped time.Time
}

// Run does what is asked for.
func Run(ctx context.Context, o apply.Options, req Request) (Result, error) {
	if err := req.checkName(); err != nil {
		return Result{}, &ui.Usage{Err: err}
	}
	if err := confirmDrop(o.Term, req); err != nil {
		return Result{}, err
	}
	if o.Want.Goal == plan.Files {
		return Result{}, ui.Usagef("--skip-start cannot be used for work on a database: PostgreSQL must run for that")
	}
	// What would fail at the end fails at the beginning.
	o.Want.Goal = plan.Role
	if req.Init || req.Update || req.Open {
		o.Want.Goal = plan.Odoo
	}
	s, unlock, err := apply.Begin(ctx, o)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if err := filestoreHere(s, req); err != nil {
		return Result{}, err
	}
	w := &work{Run: s, req: req, server: s.DatabaseServer(), shown: s.Term.NewProgress(o.Progress), odooStays: s.OdooStays()}
	defer w.shown.Close()
	if err := w.readOnly(); err != nil {
		return w.result, err
	}
	if err := w.prepare(); err != nil {
		return w.result, err
	}
	if err := w.beforeStart(); err != nil {
		return w.result, err
	}
	if err := s.UpPostgres(ctx); err != nil {
		return w.result, err
	}
	// What a server is that did not run is known only now.
	if err := w.readOnly(); err != nil {
		return w.result, err
	}
	return w.result, w.do(ctx)
}

// prepare reads what can be wrong before PostgreSQL is started.
func (w *work) prepare() error {
	if w.req.Restore != "" {
		file, err := FindArchive(w.req.Restore, w.Project.BackupDir)
		if err != nil {
			return err
		}
		w.req.Restore = file
	}
	if w.req.Backup && w.req.BackupFile != "" {
		file, err := w.backupFile("")
		if err == nil {
			err = refuse(backup.CheckFree(file))
		}
		if err != nil {
			return err
		}
	}
	if err := w.nameModules(); err != nil {
		return err
	}
	if w.req.SetAdmin {
		return w.adminPassword()
	}
	return nil
}

// beforeStart refuses what is certain to be refused once PostgreSQL runs: nothing is
// started for it. A server that runs is asked instead.
func (w *work) beforeStart() error {
	r := w.req
	if (r.Init || r.Update || r.Restore != "" && r.Neutralize && w.Project.OdooMajor >= neutralize.Since) && w.Stack == nil {
		if err := w.CanRunOdooNative(); err != nil {
			return err
		}
	}
	if r.KeepOld {
		if err := restore.CheckKept(r.Name); err != nil {
			return err
		}
	}
	if w.World.Status.Ready {
		return nil
	}
	if disk := w.World.Disk; w.World.DiskErr == nil && (disk.State == datadir.Missing || disk.State == datadir.Empty) && r.worksOnOne() {
		name := shell.Quote(r.Name)
		return wording.WithNext(fmt.Errorf("there is no database %q: this project has no cluster yet. Nothing was started.\nTo restore one from an archive FILE: odpm -d %s --db-restore FILE", r.Name, name),
			"To make one", "odpm -d "+name+" -i base")
	}
	if r.Restore != "" || r.Init || r.Open {
		if err := server.CheckOdooName(r.Name); err != nil {
			return &ui.Usage{Err: fmt.Errorf("%w. If a database already has that name, start PostgreSQL first: odpm database ensure-role", err)}
		}
	}
	if r.Restore != "" {
		return refuse(restore.CheckArchive(r.Restore, w.Project.OdooMajor))
	}
	return nil
}

// worksOnOne tells whether the first thing that is asked for needs a database that is
// there, so that a new and empty cluster would be made for nothing.
func (r Request) worksOnOne() bool {
	makes := r.Restore != "" || r.Init || r.Open
	return r.Backup || !makes && (r.Update || r.SetAdmin || r.Drop)
}

// do is the order of things.
func (w *work) do(ctx context.Context) error {
	r := &w.req
	info, existed, err := w.lookup(ctx)
	if err != nil {
		return err
	}
	w.existed = existed
	if info.Invalid && !r.mayMeetInvalid() {
		return invalid(r.Name)
	}
	if r.Open && !w.existed {
		r.Init, r.InitModules = true, w.Project.Settings.InitModules
	}
	if creates := !w.existed && r.Restore != "" || r.Init && (!w.existed || r.Drop && r.Restore == ""); creates {
		if err := server.CheckOdooName(r.Name); err != nil {
			return &ui.Usage{Err: err}
		}
	}
	if r.Init || r.Update {
		// What would fail at the end is not begun.
		if err := w.CanRunOdoo(ctx); err != nil {
			return err
		}
	}
	if r.Init {
		if err := w.installable(ctx); err != nil {
			return err
		}
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
			return w.startAgain(ctx, err)
		}
	}
	if r.SetAdmin {
		if err := w.setAdmin(ctx); err != nil {
			return w.startAgain(ctx, err)
		}
	}
	if !r.Init && !r.Update && !r.Open {
		return nil
	}
	if err := w.Up(ctx); err != nil {
		return err
	}
	if !w.stopped.IsZero() {
		answers := w.Answers(ctx)
		w.sayAway(time.Since(w.stopped), answers)
	}
	if w.Stack != nil || len(w.Project.OdooCommand) > 0 {
		w.result.URL, err = w.OpenURL(ctx)
	}
	return err
}

// lookup finds the database, if it exists.
func (w *work) lookup(ctx context.Context) (info server.Info, exists bool, err error) {
	c, err := w.server.Administrator(ctx, server.Maintenance)
	if err != nil {
		return info, false, err
	}
	defer engine.Close(c)
	info, err = server.Lookup(ctx, c, w.req.Name)
	if server.IsMissing(err) {
		return info, false, nil
	}
	return info, err == nil, err
}

// mayMeetInvalid tells whether what is asked for can be done with a database that
// PostgreSQL was interrupted in dropping: it can be dropped or replaced.
func (r Request) mayMeetInvalid() bool {
	return !r.Backup && (r.Drop || r.Restore != "" && !r.KeepOld)
}

func invalid(name string) error {
	return &ui.Refusal{Code: codes.DatabaseInvalid, What: fmt.Sprintf("Database %q is invalid: PostgreSQL was interrupted while dropping it, so nothing in it can be read any more. Nothing was changed.", name),
		Ways: []string{"odpm -d " + shell.Quote(name) + " --db-drop        to drop what is left of it, with its file store"}, Err: server.Invalid(name)}
}

// refuse makes odoodb's refusals a refusal of the run: nothing was touched.
func refuse(err error) error {
	if archive.IsRefused(err) || sqldump.IsRefused(err) || verify.IsUnproven(err) || backup.IsFileExists(err) || neutralize.IsNotNeutral(err) || filestore.IsLink(err) {
		return &ui.Refusal{Code: codes.ArchiveRefused, What: err.Error(), Err: err}
	}
	return err
}

// filestoreHere refuses work on file stores that are not in a directory of
// this machine: a kept compose file may have them in a volume, and a backup
// without them would be called complete.
func filestoreHere(s *apply.Run, r Request) error {
	file, inVolume := s.FilestoreInVolume()
	if !inVolume || !r.Backup && r.Restore == "" && !r.Drop {
		return nil
	}
	return &ui.Refusal{
		Code: codes.FilestoreInVolume,
		What: fmt.Sprintf("%s keeps Odoo's data_dir in a volume, not in a directory of this machine, so odpm cannot reach the file store. Nothing was written or started.", file),
		Ways: []string{fmt.Sprintf("mount a directory in service %s: ./data/odoo:/var/lib/odoo, with the volume's content copied into it", s.Project.OdooServiceName)},
	}
}
