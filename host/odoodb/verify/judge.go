package verify

import (
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// Facts are what is known about a dump: from reading it (verify, and the last
// step of a backup), or from the database that it was loaded into (restore).
type Facts struct {
	// base is the version of the module base, "" where none is installed, and
	// modules are the installed ones with theirs.
	base    string
	Modules map[string]string
	// empty: there is Odoo's table of modules, and no row in it.
	empty bool
	// notUTF8 are bytes of a dump that no database in UTF8 takes, "" for none; ascii
	// says that the dump is in SQL_ASCII, and names no encoding.
	notUTF8 string
	ascii   bool
	// Stored is how many files attachments have, missing how many of those are
	// not there, names the first of them.
	Stored, Missing int
	names           []string
	// WrongSized is how many files have a different size from what their attachments say,
	// wrongNames the first of them.
	WrongSized int
	wrongNames []string
	Elsewhere  Elsewhere
}

// Wanted is what a dump is compared with.
type Wanted struct {
	Archive *archive.Archive
	// Project is the project's version of Odoo, 0 for any.
	Project int
	// MissingFiles are allowed.
	MissingFiles bool
	// ofBackup: what a backup has to keep, and a restore refuses, is a warning.
	ofBackup bool
}

// Judgement is what follows.
type Judgement struct {
	Major    int
	Warnings []string
}

// Judge is the one place that says whether an archive is the backup of an Odoo
// database: what it lets pass is restored, and nothing else is.
func Judge(f Facts, w Wanted) (j Judgement, err error) {
	warn := func(format string, args ...any) { j.Warnings = append(j.Warnings, fmt.Sprintf(format, args...)) }
	m := w.Archive.Manifest
	j.Major = tables.MajorOf(f.base)
	switch {
	case len(f.Modules) > maxModules:
		return j, Unproven(fmt.Sprintf("the dump has more than %d installed modules", maxModules))
	case f.base == "" && w.ofBackup && w.Archive.Format == archive.Dump:
		warn("this archive is not a backup of an Odoo database, so odpm does not restore it; pg_restore does")
	case f.empty:
		return j, Unproven("it is not a backup of an Odoo database: its table of modules is empty, as in what pg_dump writes with --schema-only (-s), --no-data or --section; a backup has rows; make one of the database NAME: pg_dump -Fc -f backup.dump NAME")
	case f.base == "":
		// A dump of something else in the place of an Odoo database would be a loss.
		return j, Unproven("it is not a backup of an Odoo database (the module base is not installed in it); pg_restore restores other databases")
	case j.Major == 0:
		return j, Unproven(fmt.Sprintf("the module base has version %q, which is not an Odoo version", f.base))
	case m == nil:
		if w.Archive.Format != archive.Dump && !w.Archive.BadManifest {
			warn("the archive has no manifest, so its list of modules cannot be checked")
		}
	default:
		if diff := compareModules(m.Modules, f.Modules); m.Modules != nil && len(diff) > 0 {
			return j, Unproven("the modules in the dump differ from those in the manifest: " + Few(diff))
		}
		if want := tables.MajorOf(m.MajorVersion + "."); want != 0 && j.Major != want {
			return j, Unproven(fmt.Sprintf("the manifest says Odoo %s, but the module base is %s", m.MajorVersion, f.base))
		}
	}
	if w.Project != 0 && j.Major != 0 && j.Major != w.Project {
		return j, VersionMismatch(j.Major, w.Project)
	}
	if between := tables.SeriesOf(f.base); w.Project != 0 && strings.HasPrefix(between, "saas~") {
		warn("the database is from Odoo %s, a version of Odoo Online between %d.0 and %d.0, and Odoo %d.0 cannot work with it: the project needs the code of that version, or the database an upgrade to Odoo %d first (https://upgrade.odoo.com)",
			between, j.Major, j.Major+1, j.Major, j.Major+1)
	}
	if f.notUTF8 != "" {
		why := fmt.Sprintf("the dump has bytes that are not UTF-8 (%q): %s", f.notUTF8, f.encodingAdvice())
		if !w.ofBackup {
			return j, Unproven(why)
		}
		warn("this archive cannot be restored as it is: %s", why)
	}
	if n := f.WrongSized; n > 0 {
		warn("%s: %s", WrongSizes(n), FewOf(f.wrongNames, n))
	}
	if f.Elsewhere.Files > 0 {
		warn("%s: an archive contains only Odoo's own file store; every database restored from it shares the other storage with the original", f.Elsewhere)
	}
	switch {
	case f.Missing == 0:
	case w.Archive.PackedStore != "" && !w.MissingFiles && f.Missing == f.Stored:
		return j, Unproven(fmt.Sprintf("its file store is an archive in the archive, %q, which odpm does not read: unpack the archive, then that file in it, and name the folder; --allow-missing-files restores it without files", w.Archive.PackedStore))
	case w.Archive.Files == 0:
		warn("the archive has no file store: %d of %d attachments' files are missing", f.Missing, f.Stored)
	case w.MissingFiles:
		warn("%d of %d attachments' files are missing from the archive: %s", f.Missing, f.Stored, FewOf(f.names, f.Missing))
	default:
		return j, Unproven(fmt.Sprintf("%d of the attachments' %d files are missing from the archive: %s; --allow-missing-files restores it anyway",
			f.Missing, f.Stored, FewOf(f.names, f.Missing)))
	}
	return j, nil
}

// WrongSizes is a sentence about files that were cut off, or replaced, on the disk.
func WrongSizes(n int) string {
	if n == 1 {
		return "1 file does not have the size that its attachment says"
	}
	return fmt.Sprintf("%d files do not have the size that their attachments say", n)
}

// maxModules is ten times what the largest Odoo has.
const maxModules = 20_000

// encodingAdvice is what to do about bytes that are not UTF-8.
func (f Facts) encodingAdvice() string {
	if f.ascii {
		return sqldump.NameTheEncoding
	}
	return sqldump.NotAsItSays
}
