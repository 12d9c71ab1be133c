package database

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/ui"
)

// List is `odpm database list`. It needs a running PostgreSQL and
// starts none: a read never changes anything.
func List(ctx context.Context, o look.Options) (listed []Listed, warnings []string, err error) {
	s, err := look.Databases(ctx, o, notListed)
	if err != nil {
		return nil, nil, err
	}
	all, err := odoodb.List(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	known, unread := receipts.All(s.StateDir)
	proofs := receipts.Proofs(known)
	listed = make([]Listed, len(all))
	for i, d := range all {
		listed[i] = Listed{d, proofs[d.Name]}
	}
	return listed, receipts.Warnings(unread), nil
}

// Listed is a database with what is remembered of its backups.
type Listed struct {
	odoodb.Database
	receipts.Proof
}

// Names is `odpm --get-dbs-list`: nothing but the names, for scripts.
func Names(ctx context.Context, o look.Options) ([]string, error) {
	s, err := look.Databases(ctx, o, notListed)
	if err != nil {
		return nil, err
	}
	return odoodb.Names(ctx, s)
}

const notListed = "its databases cannot be listed"

// WriteList shows them as a table.
func WriteList(out io.Writer, all []Listed) {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "Database\tOdoo\tSize\tOwner\tFile store\tState\tBackups")
	for _, d := range all {
		version := d.OdooVersion
		if version == "" {
			version = "-"
		}
		size := "-"
		if d.Bytes >= 0 {
			size = ui.Bytes(d.Bytes)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ui.Clean(d.Name), ui.Clean(version), size, ui.Clean(d.Owner), filestoreText(d.Database), stateText(d.Database), d.Proof)
	}
	tw.Flush()
	for _, d := range all {
		if d.FilestoreReason != "" {
			fmt.Fprintf(out, "\nFile store of %s: %s\n", ui.Clean(d.Name), ui.CleanLines(d.FilestoreReason))
		}
	}
}

func filestoreText(d odoodb.Database) string {
	text := string(d.FilestoreState)
	if d.Files >= 0 && d.FilestoreState != odoodb.FilestoreMissing {
		text = fmt.Sprintf("%d files, %s", d.Files, ui.Bytes(d.FilestoreBytes))
	}
	if d.FilestoreReason != "" {
		text += ", see below"
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

// databaseDoc is one database in JSON (docs/reference/database-list-json.md).
type databaseDoc struct {
	Name            string `json:"name"`
	Owner           string `json:"owner"`
	Bytes           int64  `json:"bytes"`
	Encoding        string `json:"encoding"`
	State           string `json:"state"`
	Reason          string `json:"reason,omitempty"`
	IsOdoo          bool   `json:"is_odoo"`
	OdooVersion     string `json:"odoo_version,omitempty"`
	Template        bool   `json:"template"`
	Connections     bool   `json:"allow_connections"`
	Filestore       string `json:"filestore"`
	FilestoreState  string `json:"filestore_state"`
	FilestoreReason string `json:"filestore_reason,omitempty"`
	Files           int64  `json:"filestore_files"`
	FilestoreBytes  int64  `json:"filestore_bytes"`

	LastBackup *receipts.Brief `json:"last_backup"`
	LastProven *receipts.Brief `json:"last_proven"`
}

// WriteListJSON shows them as JSON. -1 means unknown.
func WriteListJSON(out io.Writer, all []Listed, warnings []string) error {
	docs := []databaseDoc{}
	for _, d := range all {
		docs = append(docs, databaseDoc{ui.Clean(d.Name), ui.Clean(d.Owner), d.Bytes, d.Encoding, string(d.State), ui.Clean(d.Reason), d.IsOdoo,
			ui.Clean(d.OdooVersion), d.Template, d.AllowConnections, d.Filestore, string(d.FilestoreState), ui.CleanLines(d.FilestoreReason), d.Files, d.FilestoreBytes, d.LastBackup.Brief(), d.LastProven.Brief()})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(listDoc{1, docs, list(warnings)})
}
