package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/database"
	"github.com/odpm/odpm/host/ui"
)

// databaseFlags are odpm's own, for `odpm -d NAME …`.
type databaseFlags struct {
	req          database.Request
	init, update string
	backup       string
	keep         string
	list         bool
	format       string
	// plan is a reviewed one's file.
	plan string
	wait bool
	cmd  *cobra.Command
}

func (d *databaseFlags) addFlags(cmd *cobra.Command) {
	d.cmd = cmd
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&d.req.Name, "database", "d", "", "the Odoo database `NAME` that the flags below work on")
	f.StringVarP(&d.init, "init", "i", "", "install these `MODS`; without a list, init_modules of user_settings.json")
	f.StringVarP(&d.update, "update", "u", "", "update these `MODS`; without a list, update_modules of user_settings.json")
	f.StringVar(&d.backup, "db-backup", "", "back up into `FILE`, or into BACKUP_DIR under a dated name")
	f.StringVar(&d.req.BackupFormat, "backup-format", "", "the archive's format, `zip|dump`: Odoo's own (the default) or pg_dump -Fc")
	f.BoolVar(&d.req.AllFiles, "all-files", false, "back up the whole file store, not only the attachments' files")
	f.StringVar(&d.keep, "keep", "", "after the backup, remove this database's older ones except the newest of each day, week, month and year that `RULES` name: 7d,4w,12m")
	f.IntVar(&d.req.Keep.Last, "keep-last", 0, "after the backup, remove this database's older ones except the newest `N`")
	f.StringVar(&d.req.Restore, "db-restore", "", "restore `FILE` (a relative name is looked up in BACKUP_DIR)")
	f.BoolVar(&d.req.KeepOld, "keep-old", false, "keep the replaced database under a dated name")
	f.BoolVar(&d.req.Neutralize, "neutralize", false, "no scheduled actions, mail or payments in the restored copy")
	f.BoolVar(&d.req.AnyNeutral, "allow-incomplete-neutralize", false, "restore a copy that --neutralize cannot make harmless; the warnings say why")
	f.BoolVar(&d.req.Copy, "copy", false, "give the restored copy an identity of its own (uuid, secret, base url)")
	f.BoolVar(&d.req.AnyFiles, "allow-missing-files", false, "restore even if files of attachments are missing")
	f.BoolVar(&d.req.AnyConstraints, "allow-broken-constraints", false, "restore without the keys and constraints that the rows break")
	f.StringSliceVar(&d.req.AsAdmin, "as-admin", nil, "have the administrator create these `EXTENSIONS` of the archive")
	f.BoolVar(&d.req.Drop, "db-drop", false, "drop the database and its file store; before a restore: replace it")
	f.BoolVar(&d.req.Force, "force", false, "drop a database even if it is not Odoo's, or belongs to another role")
	f.BoolVar(&d.req.SetAdmin, "set-admin-pass", false, "set the administrator's login and password from user_settings.json")
	f.BoolVar(&d.req.Yes, "yes", false, "drop or replace without asking")
	f.StringVar(&d.format, "format", "text", "write what was done as `text|json`; json is one object on stdout")
	f.BoolVar(&d.list, "get-dbs-list", false, "print the databases' names, one a line")
	f.BoolVar(&d.wait, "wait", false, "if Odoo is started, return when it answers HTTP (the default on a terminal; --wait=false turns it off)")
	f.StringVar(&d.plan, "plan", "", "do exactly what odpm plan --out wrote into `FILE`, or refuse")
	for _, name := range []string{"init", "update", "db-backup"} {
		f.Lookup(name).NoOptDefVal = bare
	}
}

// request checks what goes together.
func (d *databaseFlags) request() (database.Request, error) {
	r := d.req
	changed := d.cmd.Flags().Changed
	r.Init, r.Update, r.Backup = changed("init"), changed("update"), changed("db-backup")
	r.InitModules, r.UpdateModules = modules(d.init), modules(d.update)
	if err := notModules("-i", d.init); err != nil {
		return r, err
	}
	if d.backup != bare {
		r.BackupFile = d.backup
	}
	if changed("keep-last") && r.Keep.Last < 1 {
		return r, ui.Usagef("--keep-last: %d; allowed: 1 or more", r.Keep.Last)
	}
	if changed("keep") {
		k, err := database.ParseKeep(d.keep)
		if err != nil {
			return r, ui.Usagef("--keep: %v", err)
		}
		k.Last = r.Keep.Last
		r.Keep = k
	}
	if r.Any() && r.Name == "" {
		return r, ui.Usagef("no database was named; add -d NAME")
	}
	r.Open = !r.Any() && r.Name != ""
	if len(r.Name) > 63 {
		// PostgreSQL cuts a longer name, and the cut one may be another database.
		return r, ui.Usagef("-d: the name has %d bytes; PostgreSQL's limit is 63", len(r.Name))
	}
	for _, c := range []struct {
		flag   string
		set    bool
		with   string
		allows bool
	}{
		{"--backup-format", r.BackupFormat != "", "--db-backup", r.Backup},
		{"--all-files", r.AllFiles, "--db-backup", r.Backup},
		{"--keep", changed("keep"), "--db-backup", r.Backup},
		{"--keep-last", changed("keep-last"), "--db-backup", r.Backup},
		{"--force", r.Force, "--db-drop", r.Drop},
		{"--keep-old", r.KeepOld, "--db-restore", r.Restore != ""},
		{"--neutralize", r.Neutralize, "--db-restore", r.Restore != ""},
		{"--allow-incomplete-neutralize", r.AnyNeutral, "--neutralize", r.Neutralize},
		{"--copy", r.Copy, "--db-restore", r.Restore != ""},
		{"--allow-missing-files", r.AnyFiles, "--db-restore", r.Restore != ""},
		{"--allow-broken-constraints", r.AnyConstraints, "--db-restore", r.Restore != ""},
		{"--as-admin", len(r.AsAdmin) > 0, "--db-restore", r.Restore != ""},
	} {
		if c.set && !c.allows {
			return r, ui.Usagef("%s needs %s", c.flag, c.with)
		}
	}
	if gone := r.Drop && r.Restore == "" && !r.Init; gone && (r.Update || r.SetAdmin) {
		return r, ui.Usagef("--db-drop leaves no database for -u or --set-admin-pass; add --db-restore FILE or -i")
	}
	if r.BackupFormat != "" && r.BackupFormat != "zip" && r.BackupFormat != "dump" {
		return r, ui.Usagef("--backup-format: %q; allowed: zip, dump", r.BackupFormat)
	}
	if _, err := textOrJSON(d.format); err != nil {
		return r, err
	}
	if d.plan != "" && (d.list || r.Any()) {
		return r, ui.Usagef("--plan cannot be combined with other actions")
	}
	if d.list && r.Any() {
		return r, ui.Usagef("--get-dbs-list cannot be combined with other actions")
	}
	return r, nil
}

func (a *App) runRoot(ctx context.Context, d *databaseFlags) error {
	req, err := d.request()
	if err != nil {
		return err
	}
	opts, err := a.options()
	if err != nil {
		return err
	}
	if opts.Wait = d.wait; !d.cmd.Flags().Changed("wait") {
		opts.Wait = a.term.ErrTTY
	}
	isJSON := d.format == "json"
	switch {
	case d.list:
		return a.runNames(ctx, opts, isJSON)
	case req.Any():
		res, err := database.Run(ctx, opts, req)
		if isJSON {
			if err == nil {
				err = a.writeJSON(res.JSON())
			}
			return err
		}
		if res.Archive != "" {
			fmt.Fprintln(a.out, res.Archive)
		}
		if err == nil && res.URL != "" {
			fmt.Fprintln(a.out, res.URL)
		}
		return err
	}
	if d.plan != "" {
		if err := a.reviewed(d.cmd, d.plan, &opts); err != nil {
			return err
		}
	}
	done, err := apply.All(ctx, opts)
	switch {
	case err != nil:
		return err
	case isJSON:
		return a.writeJSON(a.runJSON(done))
	case done.URL != "":
		fmt.Fprintln(a.out, done.URL)
	}
	return nil
}

// runNames prints the names alone, for scripts.
func (a *App) runNames(ctx context.Context, opts apply.Options, isJSON bool) error {
	found, err := database.Names(asking(ctx), opts.Options)
	if err != nil {
		return err
	}
	names := []string{}
	for _, n := range found {
		names = append(names, ui.Clean(n))
	}
	if isJSON {
		return a.writeJSON(namesDoc{1, names})
	}
	for _, name := range names {
		fmt.Fprintln(a.out, name)
	}
	return nil
}
