package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// content is what a dump says about the database, read without a server. pg_dump
// has written names without a schema until 2018 (9.6.8, 10.3), and with
// --inserts there is no COPY; a restore takes all of them.
type content struct {
	// schema is the first of the search_path that the dump has set.
	schema string
	// columns of the tables that matter, as CREATE TABLE lists them.
	columns map[string][]string
	// tables and rows are counted.
	tables, rows int64
	last         string // the table of the last INSERT
	// made are the tables that the dump makes, as schema.table, and ownRows those of the
	// rows that are in them; the others are in tables of extensions, whose own rows a
	// dump does not have.
	made    map[string]bool
	own     bool // the last COPY or INSERT was for one of them
	ownRows int64

	// encoding is what the dump says of its bytes, UTF8 where it says nothing; those of
	// UTF8 and SQL_ASCII are looked at. The server converts and checks any other.
	encoding string
	utf8     sqldump.UTF8
	// ascii: the bytes that are not UTF-8 are in SQL_ASCII.
	ascii bool

	// rowsOnly: the dump has rows of a table that it does not make.
	rowsOnly bool
	// twice: the dump makes a table that it has made before, as where a script
	// appended one dump to another.
	twice bool

	base    string
	modules map[string]string
	// listed is how many modules there are, installed or not.
	listed int
	stored storedNames
	// elsewhere are names of attachments' files in other storages.
	elsewhere elsewhereNames
	// needs is nil where nobody asks.
	needs *needs.Reader
}

func newContent() content {
	return content{schema: "public", encoding: "UTF8", made: map[string]bool{}, columns: map[string][]string{}, modules: map[string]string{}}
}

// maxTables bounds what is remembered of a hostile dump. PostgreSQL itself becomes slow
// long before.
const maxTables = 200_000

const attachments, modulesTable = "ir_attachment", "ir_module_module"

// wantedColumns are those of the tables that matter.
var wantedColumns = map[string][]string{
	attachments:  {"store_fname", "file_size"},
	modulesTable: {"name", "state", "latest_version"},
}

// ours says whether a table is one of those, by its name in public.
func (c *content) ours(schema, table string) bool {
	if schema == "" {
		schema = c.schema
	}
	return schema == "public" && wantedColumns[table] != nil
}

// row takes the wanted columns of a row.
func (c *content) row(table string, values []string) {
	switch table {
	case attachments:
		name := values[0]
		if storage, ok := storageOf(name); ok {
			c.elsewhere.add(storage, name)
		} else if name != "" {
			size, err := strconv.ParseInt(values[1], 10, 64)
			if err != nil {
				size = 0
			}
			c.stored.add(name, size)
		}
	case modulesTable:
		c.listed++
		name, state, version := values[0], values[1], values[2]
		if state == "installed" && len(c.modules) <= maxModules {
			c.modules[name] = version
		}
		if name == "base" && (state == "installed" || state == "to upgrade" || state == "to remove") {
			c.base = version
		}
	}
}

// rowsOf is copy, with a look at the bytes.
func (c *content) rowsOf(rows *sqldump.Rows) io.Writer {
	if !c.checked() {
		return rows
	}
	c.endOfText()
	return io.MultiWriter(rows, &c.utf8)
}

func (c *content) checked() bool {
	return c.encoding == "UTF8" || c.encoding == "UNICODE" || c.encoding == "UTF-8" || c.encoding == "SQL_ASCII"
}

// endOfText: what follows is another text, maybe in another encoding.
func (c *content) endOfText() {
	c.utf8.End()
	if c.utf8.Bad == "" {
		c.ascii = c.encoding == "SQL_ASCII"
	}
}

// copy is what reads a table's COPY data.
func (c *content) copy(stmt []byte) *sqldump.Rows {
	c.tables++
	schema, table, columns := sqldump.CopyTarget(stmt)
	c.own = c.made[cmp.Or(schema, c.schema)+"."+table]
	if !c.ours(schema, table) {
		return sqldump.NewRows(nil, nil, nil)
	}
	c.rowsOnly = c.rowsOnly || c.columns[table] == nil
	if columns == nil {
		columns = c.columns[table]
	}
	return sqldump.NewRows(columns, wantedColumns[table], func(values []string) { c.row(table, values) })
}

// count counts rows of the last COPY or INSERT.
func (c *content) count(n int64) {
	if c.rows += n; c.own {
		c.ownRows += n
	}
}

// statement looks for tables, rows and the search_path.
func (c *content) statement(stmt []byte) {
	if c.checked() {
		c.endOfText()
		_, _ = c.utf8.Write(stmt)
		c.utf8.End()
	}
	word := sqldump.Tokens(stmt, 1)
	if len(word) == 0 {
		return
	}
	if c.needs != nil {
		c.needs.Statement(word[0], stmt)
	}
	switch word[0] {
	case "set", "select":
		if name, ok := sqldump.ClientEncoding(stmt); ok {
			c.encoding = name
		}
		if schema, ok := sqldump.SearchPath(stmt); ok {
			c.schema = schema
		}
	case "create":
		schema, table, columns, ok := sqldump.TableColumns(stmt)
		if ok && len(c.made) < maxTables {
			c.made[cmp.Or(schema, c.schema)+"."+table] = true
		}
		if ok && c.ours(schema, table) {
			c.twice = c.twice || c.columns[table] != nil
			c.columns[table] = columns
		}
	case "drop":
		if schema, table, ok := sqldump.DroppedTable(stmt); ok && c.ours(schema, table) {
			delete(c.columns, table)
		}
	case "insert":
		if ins, ok := sqldump.ParseInsert(stmt); ok {
			c.insert(ins)
		}
	}
}

func (c *content) insert(ins sqldump.Insert) {
	if name := ins.Schema + "." + ins.Table; name != c.last {
		c.last = name
		c.tables++
	}
	c.own = c.made[cmp.Or(ins.Schema, c.schema)+"."+ins.Table]
	ours := c.ours(ins.Schema, ins.Table)
	c.rowsOnly = c.rowsOnly || ours && c.columns[ins.Table] == nil
	if ins.Columns == nil {
		ins.Columns = c.columns[ins.Table]
	}
	wanted := wantedColumns[ins.Table]
	values := make([]string, len(wanted))
	ins.Rows(func(row []string) {
		c.count(1)
		if !ours {
			return
		}
		clear(values)
		for place, name := range wanted {
			for i, column := range ins.Columns {
				if column == name && i < len(row) {
					values[place] = row[i]
				}
			}
		}
		c.row(ins.Table, values)
	})
}

// facts is what a dump says, once all of it was read.
func (c *content) facts() (Facts, error) {
	c.utf8.End()
	if c.stored.full || c.elsewhere.names.full {
		return Facts{}, Unproven(fmt.Sprintf("attachments refer to more than %d files that are not in the archive", maxStored))
	}
	if c.rowsOnly {
		return Facts{}, Unproven("the dump has rows but not the tables for them, as pg_dump --data-only (-a) writes it; a backup needs both")
	}
	if c.twice {
		return Facts{}, Unproven("the dump creates its tables twice: the file holds two dumps, as when a script writes with >> instead of >, and a restore would fail at the second")
	}
	slices.Sort(c.stored.wrongNames)
	return Facts{base: c.base, Modules: c.modules, empty: c.columns[modulesTable] != nil && c.listed == 0, notUTF8: c.utf8.Bad, ascii: c.ascii, Stored: c.stored.files(), Missing: c.stored.missing(), names: c.stored.sorted(),
		WrongSized: c.stored.wrongSized, wrongNames: c.stored.wrongNames, Elsewhere: c.elsewhere.all()}, nil
}
