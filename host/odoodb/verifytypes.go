package odoodb

import (
	"fmt"

	"github.com/odpm/odpm/host/odoodb/archive"
)

// VerifyOptions steer Verify.
type VerifyOptions struct {
	Progress Progress
	// Jobs is the number of goroutines that read the file store, 0 for one per core.
	Jobs int
}

// VerifyResult is what an archive has been proven to be. It is complete only
// if Verify gave no error.
type VerifyResult struct {
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
	// Tables and Rows are the COPY blocks and the lines in them.
	Tables, Rows int64
	// Files is how many files attachments have, Extra how many more the
	// archive contains.
	Files, Extra int
	// Missing are files that attachments have and the archive has not; with a
	// file store in the archive that is an error as well.
	Missing []string
	// Damaged are files whose content is not the one their name is the SHA-1
	// of: they were broken on the disk before the backup was made.
	Damaged  []string
	Warnings []string
}

func (r *VerifyResult) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}
