package backup

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// Options say what to back up and where to.
type Options struct {
	// Database is the one to back up.
	Database string
	// File is the archive's path; its directory is made if it is not there,
	// and a file that exists is never overwritten.
	File string
	// Format is archive.Zip (also when empty) or archive.Dump.
	Format archive.Format
	// AllFiles takes everything in the file store, as Odoo's own backup does,
	// instead of the files that the database's attachments name.
	AllFiles bool
	// OdooVersion is the project's ("18.0"), to compare with the database's;
	// "" compares nothing.
	OdooVersion string
	Progress    progress.Func
	// Jobs is the number of goroutines that compress, 0 for one per core.
	Jobs int
}

// Result is what a backup did.
type Result struct {
	// Path is the archive's absolute path, Bytes its size.
	Path  string
	Bytes int64
	// OdooVersion is the database's, "" where it is not Odoo's.
	OdooVersion string
	// DumpBytes is the size of the dump: dump.sql before it is compressed, or
	// the -Fc archive.
	DumpBytes int64
	// Files is how many files of the file store are in the archive, FilesBytes
	// their size before they are compressed.
	Files      int
	FilesBytes int64
	// Stored is how many files attachments have in the file store.
	Stored int
	// Missing names attachments' files that were not there before
	// the backup began; a dump has no files, and names none.
	Missing []string
	// DatabaseOnly: attachments have files, and the archive has none of them.
	DatabaseOnly bool
	// Elsewhere are attachments' files outside the file store; they are not in
	// the archive.
	Elsewhere verify.Elsewhere
	// Needs is what a restore wants of a server, LeftOut what one on this server
	// leaves out.
	Needs    needs.Needs
	LeftOut  []load.Omission
	Warnings []string
	Elapsed  time.Duration
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// fileExistsError is an archive that would have been overwritten.
type fileExistsError struct{ path string }

func (e *fileExistsError) Error() string {
	return fmt.Sprintf("%s already exists and is not overwritten; choose another name: --db-backup FILE", e.path)
}

// CheckFree refuses a name for an archive that something has, as Run does.
func CheckFree(file string) error {
	if _, err := os.Lstat(file); err == nil {
		return &fileExistsError{file}
	}
	return nil
}

// IsFileExists says whether Run refused to overwrite a file.
func IsFileExists(err error) bool {
	var e *fileExistsError
	return errors.As(err, &e)
}

// DefaultFile is the name of a backup whose name nobody chose:
// <db>_<YYYY-MM-DD_HH-MM-SS>.zip (or .dump).
func DefaultFile(database string, format archive.Format, now time.Time) string {
	ext := ".zip"
	if format == archive.Dump {
		ext = ".dump"
	}
	return database + "_" + now.Format("2006-01-02_15-04-05") + ext
}
