package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/quote"
)

// psql goes on after an error, and so Odoo's own restore takes dumps of which a
// statement or two do not work on this server: a role may not say everything
// that a superuser has once said in the original. What has no data in it is left
// out here, too, and said; what has some still ends the restore.

// Omission is something that the dump has and the restored database does not.
type Omission struct {
	// Kind is what it is, as SQL names it: "extension", "privileges", "foreign
	// table". Name is its name, "" where it has none.
	Kind, Name string
	// Text is a sentence for a person.
	Text string
}

// LeftOut is what was left out, the first thousand.
func (l *Loader) LeftOut() []Omission {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

func (l *Loader) leave(o Omission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.said[o.Text] && len(l.left) < maxLeft {
		l.said[o.Text] = true
		l.left = append(l.left, o)
	}
}

// hasLeft says whether something of a kind was left out, "" for what others are
// built on.
func (l *Loader) hasLeft(kinds ...string) bool {
	return slices.ContainsFunc(l.LeftOut(), func(o Omission) bool { return slices.Contains(kinds, o.Kind) })
}

// NeedsError is a statement that needs something which was left out.
type NeedsError struct {
	Err  error
	Left []Omission
}

func (e *NeedsError) Error() string {
	var why []string
	for _, o := range e.Left {
		why = append(why, o.Text)
	}
	return e.Err.Error() + "; it depends on what was left out: " + strings.Join(why, "; ")
}

func (e *NeedsError) Unwrap() error { return e.Err }

// undefined are the codes of a name that means nothing: of a function, a type,
// a table, a column, a schema.
var undefined = []string{"42883", "42704", "42P01", "42703", "3F000"}

// broken are those of rows that break a constraint, and of a foreign key whose
// key is not there.
var broken = []string{"23503", "23505", "23P01", "23514"}

// never are classes that say nothing about the statement: connections, space and
// memory, somebody's intervention, the system, transactions.
var never = []string{"08", "25", "40", "53", "57", "58", "XX"}

func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// noCollation: the server has no ICU, or not this locale, or does not know the provider.
var noCollation = []string{"0A000", "22023", "42704", "42P17"}

// noLibrary: the files of an extension or of a C function are not on the server.
const noLibrary = "58P01"

// maxFailures is more statements than any real dump has that a server does not
// take; after so many the next one ends the restore.
const maxFailures = 10_000

// mayLeave says whether a statement that failed may be left out, and leaves it.
func (l *Loader) mayLeave(stmt string, err error) bool {
	if l.failures.Add(1) > maxFailures {
		return false
	}
	c := code(err)
	if c == "" || c == "22021" || c != noLibrary && slices.Contains(never, c[:2]) {
		return false
	}
	if slices.Contains(undefined, c) && sqldump.Removal([]byte(stmt)) {
		return true // there is nothing to take away
	}
	if constraint, table, ok := sqldump.Constraint([]byte(stmt)); ok && (slices.Contains(broken, c) || c == "42830" && l.hasLeft("constraint")) {
		if l.AllowBroken {
			l.leave(Omission{"constraint", table + "." + constraint, fmt.Sprintf("constraint %q of table %s was left out: %s", constraint, table, message(err))})
		}
		return l.AllowBroken
	}
	loss, kind, object := sqldump.LossOf([]byte(stmt))
	forbidden := c == "42501" || c == noLibrary || c == "0A000" && kind == "extension" || kind == "collation" && slices.Contains(noCollation, c)
	switch {
	case loss == sqldump.Decoration, loss >= sqldump.Maker && forbidden:
	case loss == sqldump.Dependent && slices.Contains(undefined, c):
	default:
		return false
	}
	text := fmt.Sprintf("%s %s was left out: %s", kind, object, message(err))
	switch {
	case object == "":
		text = fmt.Sprintf("%s: left out: %s", kind, message(err))
	case kind == "privileges":
		text = fmt.Sprintf("privileges on %s were left out: %s", object, message(err))
	}
	l.leave(Omission{kind, object, text})
	return true
}

// Notice takes what the server says beside its answers: a GRANT or REVOKE by a role
// that is not the owner may do nothing, and is no error.
func (l *Loader) Notice(n *pgconn.Notice) {
	if n.Code == "01006" || n.Code == "01007" {
		l.leave(Omission{"privileges", "", "privileges were left out: " + n.Message})
	}
}

// message is what the server said, in one line.
func message(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	if pgErr.Detail != "" {
		return pgErr.Message + " (" + pgErr.Detail + ")"
	}
	return pgErr.Message
}

// tolerant runs statements as exec does, without those that may be left out, and
// those that need it with the database's own search_path.
func (l *Loader) tolerant(ctx context.Context, s *session, stmts []string) error {
	inTransaction := s.conn.TxStatus() != 'I' // the dump's own; an error has ended it
	for len(stmts) > 0 {
		err := s.exec(ctx, stmts...)
		var failed *statementError
		if err == nil || inTransaction || ctx.Err() != nil || !errors.As(err, &failed) {
			return l.explained(err)
		}
		// Together they were one transaction, and none of them has happened.
		before, stmt, after := stmts[:failed.at], stmts[failed.at], stmts[failed.at+1:]
		if t := sqldump.Tokens([]byte(stmt), 1); len(t) == 1 && t[0] == "refresh" && !slices.Contains(never, (code(err) + "08")[:2]) {
			l.refreshes = append(l.refreshes, stmt)
		} else if !l.mayLeave(stmt, err) {
			if !slices.Contains(undefined, code(err)) {
				return l.explained(err)
			}
			if len(before) > 0 {
				if err := s.exec(ctx, before...); err != nil {
					return l.explained(err)
				}
			}
			if s.withPath(ctx, l.path(), stmt) != nil {
				return l.explained(err)
			}
			stmts = after
			continue
		}
		stmts = append(slices.Clone(before), after...)
	}
	return nil
}

// explained adds to an error what may be its cause.
func (l *Loader) explained(err error) error {
	c := code(err)
	if slices.Contains(broken, c) {
		var s *statementError
		if errors.As(err, &s) {
			return fmt.Errorf("%w; the rows already violated this in the original, and --allow-broken-constraints restores them without it", err)
		}
	}
	if !slices.Contains(append([]string{"42501", "42830", "42P13"}, undefined...), c) {
		return err
	}
	var left []Omission
	for _, o := range l.LeftOut() {
		switch o.Kind {
		case "privileges", "default privileges", "tablespace", "leakproof", "setting", "policy":
		default:
			if !strings.HasPrefix(o.Kind, "comment ") && !strings.HasPrefix(o.Kind, "rows ") {
				left = append(left, o)
			}
		}
	}
	if len(left) == 0 {
		return err
	}
	return &NeedsError{err, left}
}

func (l *Loader) path() string {
	if l.SearchPath == "" {
		return "public"
	}
	return l.SearchPath
}

// withPath runs one statement with another search_path than the session's.
func (s *session) withPath(ctx context.Context, path, stmt string) error {
	err := s.exec(ctx, "BEGIN", "SELECT pg_catalog.set_config('search_path', "+quote.Literal(path)+", true)", stmt, "COMMIT")
	if s.conn.TxStatus() != 'I' && !s.conn.IsClosed() {
		err = errors.Join(err, s.exec(ctx, "ROLLBACK"))
	}
	return err
}

// refreshAgain fills the materialized views whose query did not work under the
// empty search_path of a dump: it names tables in a text, or in a function.
func (l *Loader) refreshAgain(ctx context.Context) error {
	for len(l.refreshes) > 0 {
		s, err := l.session(ctx, 0)
		if err != nil {
			return err
		}
		var again []string
		var failed []error
		for _, stmt := range l.refreshes {
			if err := s.withPath(ctx, l.path(), stmt); err != nil {
				if ctx.Err() != nil || s.conn.IsClosed() {
					return err
				}
				again, failed = append(again, stmt), append(failed, err)
			}
		}
		if len(again) < len(l.refreshes) {
			l.refreshes = again // one may read another
			continue
		}
		for i, stmt := range again {
			_, kind, object := sqldump.LossOf([]byte(stmt))
			l.leave(Omission{kind, object, fmt.Sprintf("materialized view %s is empty, since its query fails here: %s; when it works: REFRESH MATERIALIZED VIEW %s", object, message(failed[i]), object)})
		}
		l.refreshes = nil
	}
	return nil
}

// setting runs a SET at once, so that one which this server does not have, or
// does not let the role change, can be left out.
func (l *Loader) setting(ctx context.Context, stmt string) error {
	s, err := l.session(ctx, 0)
	if err != nil {
		return err
	}
	inTransaction := s.conn.TxStatus() != 'I'
	if err := s.exec(ctx, stmt); err != nil {
		// How rows are stored changes none of them, and this server may have other ways.
		t := sqldump.Tokens([]byte(stmt), 2)
		stored := len(t) > 1 && slices.Contains([]string{"default_table_access_method", "default_toast_compression"}, t[1])
		if c := code(err); inTransaction || c != "42704" && c != "42501" && !(stored && c == "22023") {
			return err
		}
		text := strings.TrimRight(strings.Join(strings.Fields(stmt[:min(len(stmt), 100)]), " "), ";")
		l.leave(Omission{"setting", text, fmt.Sprintf("%s was left out: %s", text, message(err))})
		return nil
	}
	l.settings = append(l.settings, stmt)
	s.settings = len(l.settings)
	return nil
}

// rowsOfNoTable: every table of the dump is there by now, so that rows of one that
// is not are an extension's own that was left out.
func (l *Loader) rowsOfNoTable(ctx context.Context, s *session, stmt string) (bool, error) {
	if !l.hasLeft("extension") {
		return false, nil
	}
	schema, table, _ := sqldump.CopyTarget([]byte(stmt))
	if schema == "" {
		return false, nil
	}
	res := s.conn.ExecParams(ctx, `SELECT pg_catalog.to_regclass($1::pg_catalog.text) IS NULL`, [][]byte{[]byte(quote.Ident(schema, table))}, nil, nil, nil).Read()
	if res.Err != nil || len(res.Rows) == 0 || string(res.Rows[0][0]) != "t" {
		return false, res.Err
	}
	name := schema + "." + table
	l.leave(Omission{"rows", name, fmt.Sprintf("the rows of table %s were left out: the table belongs to an extension that was left out", name)})
	return true, nil
}
