package verify

import (
	"fmt"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/progress"
)

// Options steer File.
type Options struct {
	Progress progress.Func
	// Jobs is the number of goroutines that read the file store, 0 for one per core.
	Jobs int
	// OdooMajor is the project's version, 0 if there is none to compare with.
	OdooMajor int
	// AllowMissingFiles makes attachments without a file a warning, as a restore's.
	AllowMissingFiles bool
	// OfBackup: a backup looks at what it has written; what is in the database has
	// to be kept.
	OfBackup bool
	// Owner is the application role, "" where there is none to compare with.
	Owner string
}

// Result is what an archive has been proven to be. It is complete only
// if File gave no error.
type Result struct {
	Path   string
	Format archive.Format
	Bytes  int64
	// Database is the name in the manifest or in the dump's head, "" if none says it.
	Database string
	// OdooVersion is the manifest's major_version, or what the module base says.
	OdooVersion string
	// ServerVersion is the PostgreSQL that was dumped, DumpVersion the pg_dump.
	ServerVersion, DumpVersion string
	// Modules is how many are installed, by the dump itself.
	Modules int
	// Tables and Rows are the COPY blocks and the lines in them, OwnRows those of tables
	// that the dump makes: the others are in tables of extensions.
	Tables, Rows, OwnRows int64
	// Files is how many files attachments have, Extra how many more the
	// archive contains.
	Files, Extra int
	// MissingFiles is how many files attachments have that the archive has not,
	// Missing the first of them; with a file store in the archive that is an
	// error as well.
	MissingFiles int
	Missing      []string
	// DamagedFiles is how many files' content is not the one their name is the
	// SHA-1 of, Damaged the first of them: they were broken on the disk before
	// the backup was made.
	DamagedFiles int
	// WrongSized is how many files have a different size from what their attachments say,
	// Elsewhere what attachments have in no file store.
	WrongSized int
	WrongNames []string
	Elsewhere  Elsewhere
	// NotUTF8 is what to do about bytes that no database in UTF8 takes, "" where there
	// are none.
	NotUTF8 string
	// Needs is what the dump wants of a server.
	Needs    needs.Needs
	Needed   *needs.Reader
	Damaged  []string
	Warnings []string
}

// DatabaseOnly: the archive has none of the attachments' files.
func (r Result) DatabaseOnly() bool { return DatabaseOnly(r.Files, r.MissingFiles) }

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}
