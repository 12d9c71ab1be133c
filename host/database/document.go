package database

import (
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/ui"
)

// The documents of --format json; docs/schemas has a schema for each. Lists are
// never null. What comes from a database or an archive is cleaned as for a
// terminal: people read JSON there too.

// doneDoc is what `odpm -d NAME …` did; what was not asked for is left out.
type doneDoc struct {
	Version int         `json:"schema_version"`
	Backup  *backupDoc  `json:"backup,omitempty"`
	Drop    *dropDoc    `json:"drop,omitempty"`
	Restore *restoreDoc `json:"restore,omitempty"`
	Modules *modulesDoc `json:"modules,omitempty"`
	Admin   *adminDoc   `json:"admin,omitempty"`
	URL     string      `json:"url,omitempty"`
}

type backupDoc struct {
	Path        string `json:"path"`
	Bytes       int64  `json:"bytes"`
	OdooVersion string `json:"odoo_version"`
	Files       int    `json:"files"`
	Missing     int    `json:"missing_files"`
	Only        bool   `json:"database_only"`
	elsewhereDoc
	Removed  []string   `json:"removed"`
	Warnings []string   `json:"warnings"`
	Needs    needsDoc   `json:"needs"`
	LeftOut  []omission `json:"left_out"`
}

type dropDoc struct {
	Database  string `json:"database"`
	Owner     string `json:"owner"`
	Sessions  int    `json:"sessions"`
	Filestore string `json:"filestore"`
	Kept      bool   `json:"filestore_kept"`
}

type restoreDoc struct {
	Database   string `json:"database"`
	Replaced   bool   `json:"replaced"`
	Kept       string `json:"kept"`
	OdooMajor  int    `json:"odoo_major"`
	Modules    int    `json:"modules"`
	Files      int    `json:"files"`
	Missing    int    `json:"missing_files"`
	WrongSized int    `json:"wrong_size_files"`
	Only       bool   `json:"database_only"`
	elsewhereDoc
	Neutralized bool              `json:"neutralized"`
	StillActive neutralize.Active `json:"still_active"`
	Copied      bool              `json:"copied"`
	LeftOut     []omission        `json:"left_out"`
	Warnings    []string          `json:"warnings"`
	Stopped     bool              `json:"odoo_stopped"`
	*awayDoc
}

// awayDoc is Odoo's, where the restore has stopped it.
type awayDoc struct {
	Seconds float64 `json:"odoo_away_seconds"`
	Answers bool    `json:"odoo_answers"`
}

// elsewhereDoc is attachments that another storage has.
type elsewhereDoc struct {
	Files    int      `json:"external_files"`
	Storages []string `json:"external_storages"`
}

func elsewhereJSON(e verify.Elsewhere) elsewhereDoc { return elsewhereDoc{e.Files, list(e.Storages)} }

type modulesDoc struct {
	Installed []string `json:"installed"`
	Updated   []string `json:"updated"`
}

type adminDoc struct {
	Login    string `json:"login"`
	UserID   int    `json:"user_id"`
	Inactive bool   `json:"inactive"`
	APIKeys  int    `json:"api_keys"`
}

type needsDoc struct {
	Extensions  []string `json:"extensions"`
	Roles       []string `json:"roles"`
	Tablespaces []string `json:"tablespaces"`
}

type omission struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Text string `json:"text"`
}

// verifiedDoc is an archive that `odpm database verify` has proven.
type verifiedDoc struct {
	Version       int    `json:"schema_version"`
	Path          string `json:"path"`
	Format        string `json:"format"`
	Bytes         int64  `json:"bytes"`
	Database      string `json:"database"`
	OdooVersion   string `json:"odoo_version"`
	ServerVersion string `json:"server_version"`
	DumpVersion   string `json:"dump_version"`
	Modules       int    `json:"modules"`
	Tables        int64  `json:"tables"`
	Rows          int64  `json:"rows"`
	Files         int    `json:"files"`
	ExtraFiles    int    `json:"extra_files"`
	MissingFiles  int    `json:"missing_files"`
	DamagedFiles  int    `json:"damaged_files"`
	WrongSized    int    `json:"wrong_size_files"`
	Only          bool   `json:"database_only"`
	elsewhereDoc
	Needs    needsDoc   `json:"needs"`
	LeftOut  []omission `json:"left_out"`
	Warnings []string   `json:"warnings"`
}

// listDoc is `odpm database list`, databaseDoc one of them.
type listDoc struct {
	Version   int           `json:"schema_version"`
	Databases []databaseDoc `json:"databases"`
	Warnings  []string      `json:"warnings"`
}

// JSON is the form of `--format json`.
func (r Result) JSON() any {
	doc := doneDoc{Version: 1, URL: r.URL}
	if b := r.BackedUp; b != nil {
		doc.Backup = &backupDoc{b.Path, b.Bytes, ui.Clean(b.OdooVersion), b.Files, len(b.Missing), b.DatabaseOnly, elsewhereJSON(b.Elsewhere), list(r.Removed), list(b.Warnings), needsJSON(b.Needs), leftJSON(b.LeftOut)}
	}
	if d := r.Dropped; d != nil {
		doc.Drop = &dropDoc{ui.Clean(d.Database), ui.Clean(d.Owner), d.Sessions, d.Filestore, d.FilestoreKept}
	}
	if d := r.Restored; d != nil {
		doc.Restore = &restoreDoc{ui.Clean(d.Database), d.Replaced, ui.Clean(d.Kept), d.OdooMajor, d.Modules, d.Files - d.Missing, d.Missing, d.WrongSized, d.DatabaseOnly(),
			elsewhereJSON(d.Elsewhere), d.Neutralized, d.Active, d.Copied, leftJSON(d.LeftOut), list(d.Warnings), r.Away != nil, nil}
		if a := r.Away; a != nil {
			doc.Restore.awayDoc = &awayDoc{a.Seconds, a.Answers}
		}
	}
	if r.Installed != nil || r.Updated != nil {
		doc.Modules = &modulesDoc{list(r.Installed), list(r.Updated)}
	}
	if a := r.Admin; a != nil {
		doc.Admin = &adminDoc{ui.Clean(a.Login), a.UserID, a.Inactive, a.APIKeys}
	}
	return doc
}

// VerifiedJSON is the JSON form of an archive that was proven.
func VerifiedJSON(v verify.Result) any {
	return verifiedDoc{1, v.Path, string(v.Format), v.Bytes, ui.Clean(v.Database), ui.Clean(v.OdooVersion), ui.Clean(v.ServerVersion), ui.Clean(v.DumpVersion),
		v.Modules, v.Tables, v.Rows, v.Files, v.Extra, v.MissingFiles, v.DamagedFiles, v.WrongSized, v.DatabaseOnly(), elsewhereJSON(v.Elsewhere), needsJSON(v.Needs), leftJSON(v.Needs.LeftOut), list(v.Warnings)}
}

func needsJSON(n needs.Needs) needsDoc {
	return needsDoc{list(n.Extensions), list(n.Roles), list(n.Tablespaces)}
}

func leftJSON(left []load.Omission) []omission {
	out := []omission{}
	for _, o := range left {
		out = append(out, omission{o.Kind, ui.Clean(o.Name), ui.Clean(o.Text)})
	}
	return out
}

// list is never null.
func list(s []string) []string {
	out := []string{}
	for _, one := range s {
		out = append(out, ui.Clean(one))
	}
	return out
}
