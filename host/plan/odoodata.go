package plan

import (
	"fmt"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// odooData: an Odoo without a container that has its file stores elsewhere than the
// project says would come up without its attachments, or be backed up without them.
func (m *maker) odooData() error {
	o := m.w.Files.OdooData
	if o == nil {
		return nil
	}
	if o.Default && !m.p.External && m.w.Disk.State != datadir.Initialised && m.w.Disk.State != datadir.Unknown {
		return nil // a cluster that is made now has no attachments
	}
	theirs := "ODOO_DATA_DIR=" + shell.Quote(o.Dir) + " in .env        "
	if o.Decides {
		return &ui.Refusal{Code: codes.SettingsConflict,
			What: fmt.Sprintf("%s gives Odoo the data directory %s, but the project's is %s: file stores would be looked for where Odoo has none. %s", o.Where, o.Dir, m.p.OdooDataDir, m.untouched()),
			Ways: []string{theirs + "if the option is right", "or ODOO_COMMAND without the option        odpm then gives Odoo the project's directory"}}
	}
	return &ui.Refusal{Code: codes.SettingsConflict,
		What: fmt.Sprintf("%s is %s, which has file stores, but the project's data directory is %s: Odoo would not find the files of its attachments. %s", o.Where, o.Dir, m.p.OdooDataDir, m.untouched()),
		Ways: []string{theirs + "if the file stores are this project's", "ODOO_DATA_DIR=data/odoo in .env        if they are not"}}
}
