package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

// ListDatabases is `odpm database list`. It needs a running PostgreSQL and
// starts none: a read never changes anything.
func ListDatabases(ctx context.Context, o Options) ([]odoodb.Database, error) {
	s, err := Load(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.PG == nil {
		return nil, s.noEngine()
	}
	if !s.status.Ready {
		return nil, s.notRunning("its databases cannot be listed")
	}
	return s.databaseServer().List(ctx)
}

// WriteDatabases shows them as a table.
func WriteDatabases(out io.Writer, all []odoodb.Database) {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "Database\tOdoo\tSize\tOwner\tFilestore\tState")
	for _, d := range all {
		version := d.OdooVersion
		if version == "" {
			version = "-"
		}
		size := "-"
		if d.Bytes >= 0 {
			size = ui.Bytes(d.Bytes)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", ui.Clean(d.Name), ui.Clean(version), size, ui.Clean(d.Owner), filestoreText(d), stateText(d))
	}
	tw.Flush()
}

func filestoreText(d odoodb.Database) string {
	text := string(d.FilestoreState)
	if d.Files >= 0 && d.FilestoreState != odoodb.FilestoreMissing {
		text = fmt.Sprintf("%d files, %s", d.Files, ui.Bytes(d.FilestoreBytes))
	}
	return text
}

func stateText(d odoodb.Database) string {
	text := string(d.State)
	if d.Reason != "" {
		text += ": " + ui.Clean(d.Reason)
	}
	if !d.AllowConnections {
		text += ", no connections"
	}
	return text
}

// databaseDoc is one database in JSON (docs/database-list-json.md).
type databaseDoc struct {
	Name           string `json:"name"`
	Owner          string `json:"owner"`
	Bytes          int64  `json:"bytes"`
	Encoding       string `json:"encoding"`
	State          string `json:"state"`
	Reason         string `json:"reason,omitempty"`
	IsOdoo         bool   `json:"is_odoo"`
	OdooVersion    string `json:"odoo_version,omitempty"`
	Template       bool   `json:"template"`
	Connections    bool   `json:"allow_connections"`
	Filestore      string `json:"filestore"`
	FilestoreState string `json:"filestore_state"`
	Files          int64  `json:"filestore_files"`
	FilestoreBytes int64  `json:"filestore_bytes"`
}

// WriteDatabasesJSON shows them as JSON. -1 means unknown.
func WriteDatabasesJSON(out io.Writer, all []odoodb.Database) error {
	docs := []databaseDoc{}
	for _, d := range all {
		docs = append(docs, databaseDoc{ui.Clean(d.Name), ui.Clean(d.Owner), d.Bytes, d.Encoding, string(d.State), ui.Clean(d.Reason), d.IsOdoo,
			ui.Clean(d.OdooVersion), d.Template, d.AllowConnections, d.Filestore, string(d.FilestoreState), d.Files, d.FilestoreBytes})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"schema_version": 1, "databases": docs})
}

// VerifyArchive is `odpm database verify FILE`. It needs no project.
func VerifyArchive(ctx context.Context, t *ui.Terminal, mode, file string) (odoodb.VerifyResult, error) {
	shown := t.NewProgress(mode)
	defer shown.Close()
	res, err := odoodb.Verify(ctx, file, odoodb.VerifyOptions{Progress: func(e odoodb.Event) {
		unit := "B"
		if e.Items {
			unit = "items"
		}
		shown.Report("verify", string(e.Phase), unit, e.Done, e.Total)
	}})
	return res, refuse(err)
}

// WriteVerified says what an archive was proven to be.
func WriteVerified(out io.Writer, v odoodb.VerifyResult) {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, ui.Clean(fmt.Sprintf(format, args...)))
	}
	row("Archive", "%s (%s, %s)", v.Path, v.Format, ui.Bytes(v.Bytes))
	if v.Database != "" {
		row("Database", "%s", v.Database)
	}
	row("Odoo", "%s, %d modules installed", wording.OrUnset(v.OdooVersion), v.Modules)
	row("PostgreSQL", "%s, dumped with pg_dump %s", wording.OrUnset(v.ServerVersion), wording.OrUnset(v.DumpVersion))
	row("Dump", "%d tables, %d rows", v.Tables, v.Rows)
	row("Filestore", "%d files of attachments, %d more, %d missing, %d damaged", v.Files, v.Extra, len(v.Missing), len(v.Damaged))
	tw.Flush()
}

// VerifiedJSON is the JSON form of an archive that was proven.
func VerifiedJSON(v odoodb.VerifyResult) any {
	return map[string]any{
		"schema_version": 1, "path": v.Path, "format": v.Format, "bytes": v.Bytes, "database": v.Database,
		"odoo_version": v.OdooVersion, "server_version": v.ServerVersion, "dump_version": v.DumpVersion,
		"modules": v.Modules, "tables": v.Tables, "rows": v.Rows,
		"files": v.Files, "extra_files": v.Extra, "missing_files": len(v.Missing), "damaged_files": len(v.Damaged),
	}
}
