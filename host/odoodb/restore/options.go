package restore

import (
	"fmt"

	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// Options say what to restore and how.
type Options struct {
	// File is the archive, Database the name it gets.
	File, Database string

	// OdooMajor is the project's version, 0 if it has none to compare with.
	OdooMajor int
	// Unaccent is odoo.conf's unaccent.
	Unaccent bool

	// KeepOld keeps the replaced database and its file store under a dated
	// name, without connections.
	KeepOld bool
	// AllowMissingFiles makes attachments without a file a warning. An archive
	// without any file store is one always.
	AllowMissingFiles bool

	// AllowBroken leaves out keys and other constraints that the rows break.
	AllowBroken bool
	// AsAdmin are extensions of the archive that the administrator creates although
	// Odoo uses none of them: their scripts run as a superuser.
	AsAdmin []string

	// Neutralize makes the copy harmless before it becomes visible; from Odoo
	// 16 on NeutralizeWithOdoo does it.
	Neutralize         bool
	NeutralizeWithOdoo neutralize.WithOdoo
	// AllowIncomplete restores a copy that could not be made harmless, and says
	// why; it is not called neutralized.
	AllowIncomplete bool
	// Copy gives the database an identity of its own; BaseURL becomes its
	// web.base.url ("" is http://localhost:8069).
	Copy    bool
	BaseURL string

	// Odoo is stopped for the swap if it runs and a database is replaced; nil where
	// there is none.
	Odoo     swap.OdooService
	Progress progress.Func
	// Jobs is the number of connections that build indexes, 0 for a good one.
	Jobs int
}

// Report is what a restore did.
type Report struct {
	Database string
	// Replaced: there was a database of that name.
	Replaced bool
	// Kept is the replaced database's name now, "" if it is gone.
	Kept string
	// KeptFilestore is a directory with the replaced file store, if it was kept.
	KeptFilestore string
	OdooMajor     int
	Modules       int
	// Files is the number of attachments' files, Missing how many of
	// those are not there.
	Files, Missing int
	// WrongSized is how many have a different size from what their attachments say.
	WrongSized int
	// Elsewhere are those that attachments have in no file store.
	Elsewhere           verify.Elsewhere
	Neutralized, Copied bool
	// LeftOut is what the archive has and the restored database does not.
	LeftOut []load.Omission
	// Active is what is still active in a copy after --neutralize.
	Active   neutralize.Active
	Warnings []string
}

// DatabaseOnly: none of the attachments' files is there, neither from the
// archive nor from the replaced database.
func (r Report) DatabaseOnly() bool { return verify.DatabaseOnly(r.Files, r.Missing) }

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}
