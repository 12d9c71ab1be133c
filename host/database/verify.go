package database

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

// Verify is `odpm database verify FILE`. It needs no project.
func Verify(ctx context.Context, t *ui.Terminal, mode, file string, anyFiles bool) (verify.Result, error) {
	shown := t.NewProgress(mode)
	defer shown.Close()
	res, err := verify.File(ctx, file, verify.Options{AllowMissingFiles: anyFiles, Progress: func(e progress.Event) {
		unit := "B"
		if e.Items {
			unit = "items"
		}
		shown.Report("verify", string(e.Phase), unit, e.Done, e.Total)
	}})
	return res, refuse(err)
}

// WriteVerified says what an archive was proven to be.
func WriteVerified(out io.Writer, v verify.Result) {
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
	if needs := v.Needs.String(); needs != "" {
		row("Needs", "%s", needs)
	}
	row("File store", "%d files of attachments, %d more, %d missing, %d damaged%s", v.Files, v.Extra, v.MissingFiles, v.DamagedFiles, external(v.Elsewhere))
	tw.Flush()
}

// Verdict is the sentence that verify ends with.
func Verdict(v verify.Result) string {
	if v.DatabaseOnly() {
		return "The archive is " + verify.DatabaseOnlyText(v.Files) + "; the database in it is complete."
	}
	return "The archive is complete."
}

// external is the end of a sentence about files.
func external(e verify.Elsewhere) string {
	if e.Files == 0 {
		return ""
	}
	return fmt.Sprintf(", %d external (%s)", e.Files, strings.Join(e.Storages, ", "))
}
