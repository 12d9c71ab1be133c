package odoodb

import (
	"fmt"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// facts are what is known about a dump: from reading it (verify, and the last
// step of a backup), or from the database that it was loaded into (restore).
type facts struct {
	// base is the version of the module base, "" where none is installed, and
	// modules are the installed ones with theirs.
	base    string
	modules map[string]string
	// notUTF8 are bytes of a dump in SQL_ASCII that no database in UTF8 takes, ""
	// for none.
	notUTF8 string
	// stored is how many files attachments have, missing how many of those are
	// not there, names the first of them.
	stored, missing int
	names           []string
	// wrongSized is how many files have another size than their attachments say,
	// wrongNames the first of them.
	wrongSized int
	wrongNames []string
	elsewhere  Elsewhere
}

// wanted is what a dump is compared with.
type wanted struct {
	archive *archive.Archive
	// project is the project's version of Odoo, 0 for any.
	project int
	// missingFiles are allowed.
	missingFiles bool
	// ofBackup: what a backup has to keep, and a restore refuses, is a warning.
	ofBackup bool
}

// judgement is what follows.
type judgement struct {
	major    int
	warnings []string
}

// judge is the one place that says whether an archive is the backup of an Odoo
// database: what it lets pass is restored, and nothing else is.
func judge(f facts, w wanted) (j judgement, err error) {
	warn := func(format string, args ...any) { j.warnings = append(j.warnings, fmt.Sprintf(format, args...)) }
	m := w.archive.Manifest
	j.major = majorOf(f.base)
	switch {
	case len(f.modules) > maxModules:
		return j, &unprovenError{fmt.Sprintf("the dump has more than %d installed modules", maxModules)}
	case f.base == "" && w.ofBackup && w.archive.Format == archive.Dump:
		warn("a restore by odpm refuses this archive, since it is not the backup of an Odoo database; pg_restore takes it")
	case f.base == "":
		// A dump of something else in the place of an Odoo database would be a loss.
		return j, &unprovenError{"it is not the backup of an Odoo database (no installed module base); pg_restore restores other databases"}
	case j.major == 0:
		return j, &unprovenError{fmt.Sprintf("the module base has version %q, which names no Odoo version", f.base)}
	case m == nil:
		if w.archive.Format != archive.Dump && !w.archive.BadManifest {
			warn("the archive has no manifest: which modules it should have cannot be compared")
		}
	default:
		if diff := compareModules(m.Modules, f.modules); m.Modules != nil && len(diff) > 0 {
			return j, &unprovenError{"the modules in the dump are not those of the manifest: " + few(diff)}
		}
		if want := majorOf(m.MajorVersion + "."); want != 0 && j.major != want {
			return j, &unprovenError{fmt.Sprintf("the manifest says Odoo %s, and the module base is %s", m.MajorVersion, f.base)}
		}
	}
	if w.project != 0 && j.major != 0 && j.major != w.project {
		return j, versionMismatch(j.major, w.project)
	}
	if f.notUTF8 != "" {
		why := fmt.Sprintf("the dump has bytes that are not UTF-8 (%q): %s", f.notUTF8, sqldump.NameTheEncoding)
		if !w.ofBackup {
			return j, &unprovenError{why}
		}
		warn("a restore refuses this archive as it is: %s", why)
	}
	if n := f.wrongSized; n > 0 {
		warn("%s: %s", wrongSizes(n), fewOf(f.wrongNames, n))
	}
	if f.elsewhere.Files > 0 {
		warn("%s: an archive has Odoo's own file store, and every database that is restored from it shares the other storage with the original", f.elsewhere)
	}
	switch {
	case f.missing == 0:
	case w.archive.Files == 0:
		warn("the archive has no file store: %d of %d attachments' files are missing", f.missing, f.stored)
	case w.missingFiles:
		warn("%d of %d attachments' files are missing in the archive: %s", f.missing, f.stored, fewOf(f.names, f.missing))
	default:
		return j, &unprovenError{fmt.Sprintf("%d of the %d files that attachments have are missing in the archive: %s; --allow-missing-files takes it all the same",
			f.missing, f.stored, fewOf(f.names, f.missing))}
	}
	return j, nil
}

// wrongSizes is a sentence about files that were cut off, or replaced, on the disk.
func wrongSizes(n int) string {
	if n == 1 {
		return "1 file has another size than its attachment says"
	}
	return fmt.Sprintf("%d files have another size than their attachments say", n)
}

// maxModules is ten times what the largest Odoo has.
const maxModules = 20_000
