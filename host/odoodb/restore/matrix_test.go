package restore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/test/localpg"
)

// matrixFile is made by this test: ODPM_WRITE_MATRIX=1 go test -run TestMatrix.
const matrixFile = "../../../docs/reference/restore-matrix.md"

// alone are statements that a restore of their own is made with, since it may end there.
var alone = []struct{ head, sql string }{
	{"", `CREATE FUNCTION public.other(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE FUNCTION public.unqualified(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT other($1)'; SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.notes (note text); CREATE INDEX by_own_path ON public.notes USING btree (public.unqualified(note));`},
	{`CREATE EXTENSION IF NOT EXISTS pgstattuple WITH SCHEMA public;`, `CREATE VIEW public.bloat AS SELECT * FROM public.pgstattuple('ir_module_module');`},
	{`CREATE SCHEMA ext; CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA ext;`, `CREATE TABLE public.partner (name text); CREATE INDEX i ON public.partner USING btree (ext.unaccent(name));`},
	{"", `CREATE TABLE public.a (id integer, UNIQUE NULLS NOT DISTINCT (id));`},
	{"", `CREATE FUNCTION public.body() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; END;`},
	{"", `CREATE TABLE public.a (id integer, twice integer GENERATED ALWAYS AS (id * 2) VIRTUAL);`},
}

// byOwnPath is not for a restore with others: from 17 on it ends one.
const byOwnPath = `CREATE INDEX by_own_path`

// matrix are the cells, by row and major.
type matrix struct {
	rows  []string
	cells map[string]map[int]string
}

func (m *matrix) set(row string, major int, cell string) {
	if m.cells[row] == nil {
		m.cells[row] = map[int]string{}
		m.rows = append(m.rows, row)
	}
	m.cells[row][major] = cell
}

// oneCell is a row's name: one line, without what Markdown would read.
func oneCell(sql string) string {
	return "`" + strings.ReplaceAll(strings.Join(strings.Fields(sql), " "), "|", "\\|") + "`"
}

// cell says how a restore ended.
func cell(rep restore.Report, err error) string {
	switch {
	case archive.IsRefused(err) && strings.Contains(err.Error(), "it depends on what was left out"):
		return "refused, says what it needs"
	case archive.IsRefused(err):
		return "refused, says both versions"
	case err != nil:
		return "error"
	case len(rep.LeftOut) > 0:
		var kinds []string
		for _, o := range rep.LeftOut {
			kinds = append(kinds, o.Kind)
		}
		slices.Sort(kinds)
		return "without " + strings.Join(slices.Compact(kinds), ", ")
	}
	return "restored"
}

// column restores everything on a server of a major.
func (m *matrix) column(t *testing.T, s *server.Server, major int, backups map[int]string, from []int) {
	t.Helper()
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE ROLE reader`)
	restored := func(o restore.Options) (restore.Report, error) {
		o.Database = "back"
		rep, err := restore.Run(ctx, s, o)
		if derr := odoodbtest.DropAll(s, "back"); derr != nil && !server.IsMissing(derr) {
			t.Fatal(derr)
		}
		return rep, err
	}
	for _, of := range from {
		rep, err := restored(restore.Options{File: backups[of]})
		m.set(fmt.Sprintf("backup of PostgreSQL %d, `--backup-format dump`", of), major, cell(rep, err))
		if err != nil {
			t.Logf("%d into %d: %v", of, major, err)
		}
	}
	sql := `SET check_function_bodies = false;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.notes (id integer, note text);
CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION public.other(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
`
	head, all := "", append(slices.Clone(leftExtensions), forbidden...)
	for i, f := range all {
		switch {
		case i < len(leftExtensions):
			head += f.sql + "\n"
		case !strings.HasPrefix(f.sql, byOwnPath):
			sql += strings.ReplaceAll(f.sql, "READER", "reader") + "\n"
		}
	}
	rep, err := restored(restore.Options{File: odoodbtest.DumpOf(t, head, sql)})
	if err != nil {
		t.Fatalf("PostgreSQL %d: %v", major, err)
	}
	for _, f := range all {
		if strings.HasPrefix(f.sql, byOwnPath) || strings.HasPrefix(f.sql, "COPY ") {
			continue
		}
		says := f.says
		if strings.HasPrefix(f.sql, "REFRESH MATERIALIZED VIEW public.words") {
			says = "materialized view public.words is empty"
		}
		left := says != "" && slices.ContainsFunc(rep.LeftOut, func(o load.Omission) bool { return strings.Contains(o.Text, says) })
		m.set(oneCell(f.sql), major, map[bool]string{true: "left out, said", false: "restored"}[left])
	}
	for _, a := range alone {
		m.set(oneCell(a.head+" "+a.sql), major, cell(restored(restore.Options{File: odoodbtest.DumpOf(t, strings.ReplaceAll(a.head, "; ", ";\n"), a.sql)})))
	}
}

const matrixHead = `# What a restore makes of a dump, on PostgreSQL 12 to 18

For people who restore a dump of another PostgreSQL, or a dump with statements that their server does not accept. Each
row is a dump or a statement, each column the major of the server that it is restored into. For the rules behind it, see
[What is left out](restore.md#what-is-left-out).

- **restored**: as in the original, even if that takes a different statement on this version, or none
- **left out, said**: the restored database does not have it, and a warning and ` + "`--format json`" + ` say so
- **without …**: restored, and these kinds of things were left out and reported
- **refused**: nothing was changed; the message says what it needs, or which versions do not go together
- **error**: nothing was changed; the message is the server's, with the statement

The table is made by ` + "`ODPM_WRITE_MATRIX=1 go test ./host/odoodb/restore -run TestMatrix`" + ` on real servers. The ordinary run
of that test compares the columns of the oldest and the newest major.

`

func (m *matrix) String() string {
	var b strings.Builder
	b.WriteString(matrixHead + "| |")
	for _, major := range localpg.Majors {
		fmt.Fprintf(&b, " %d |", major)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(localpg.Majors)) + "\n")
	for _, row := range m.rows {
		b.WriteString("| " + row + " |")
		for _, major := range localpg.Majors {
			b.WriteString(" " + m.cells[row][major] + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestMatrix holds docs/reference/restore-matrix.md to what servers do.
func TestMatrix(t *testing.T) {
	write := os.Getenv("ODPM_WRITE_MATRIX") != ""
	majors := []int{localpg.Majors[0], localpg.Majors[len(localpg.Majors)-1]}
	if write {
		majors = localpg.Majors
	}
	m, backups, servers := &matrix{cells: map[string]map[int]string{}}, map[int]string{}, map[int]*server.Server{}
	for _, major := range majors {
		servers[major], _, _ = odoodbtest.LegacyServer(t, major, "")
		odoodbtest.OldOdoo(t, servers[major], "db", "18.0.1.3", everyKind...)
		backups[major] = filepath.Join(t.TempDir(), "a.dump")
		if _, err := backup.Run(ctx, servers[major], backup.Options{Database: "db", File: backups[major], Format: archive.Dump}); err != nil {
			t.Fatalf("PostgreSQL %d: %v", major, err)
		}
	}
	for _, major := range majors {
		m.column(t, servers[major], major, backups, majors)
	}
	if write {
		if err := os.WriteFile(matrixFile, []byte(m.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	var header []string
	written := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), " |"); strings.HasPrefix(line, "| ") {
			if header == nil {
				header = cells
			}
			written[strings.TrimPrefix(cells[0], "| ")] = cells
		}
	}
	for _, row := range m.rows {
		for _, major := range majors {
			i := slices.Index(header, " "+strconv.Itoa(major))
			if cells := written[row]; i < 0 || i >= len(cells) || cells[i] != " "+m.cells[row][major] {
				t.Errorf("%s, PostgreSQL %d: %q, and docs/reference/restore-matrix.md says otherwise: %q", row, major, m.cells[row][major], written[row])
			}
		}
	}
}
