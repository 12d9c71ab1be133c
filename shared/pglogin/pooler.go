package pglogin

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// poolerOf names the pooler that made an error in the server's place, "" for a
// server's own. A PostgreSQL since 9.6 gives with every error the severity
// untranslated and the place in its source; PgBouncer gives neither, whatever
// its words and its SQLSTATE are, which were 08P01 for everything up to 1.18.
func poolerOf(e *pgconn.PgError) string {
	switch {
	case strings.HasPrefix(e.Message, "odyssey: "):
		return "Odyssey"
	case e.SeverityUnlocalized == "" && e.Routine == "" && e.File == "" && e.Line == 0:
		return "PgBouncer"
	}
	return ""
}

// passing are words of PgBouncer's about a state that passes: the server behind
// it is away (until server_login_retry is over), or its own limits are reached.
// It translates nothing, so its words can be compared.
var passing = regexp.MustCompile(`(?i)server|retry|try again|shut|timeout|paus|suspend|too many|no more|limit|busy|connect`)

// poolerReason classifies what a pooler said.
func poolerReason(e *pgconn.PgError) Reason {
	if e.Code != "08P01" {
		return reasonOf(e)
	}
	if passing.MatchString(e.Message) {
		return ServerBusy
	}
	return Pooler
}

// unknownToPooler says whether a pooler does not offer the database.
func (e *Error) unknownToPooler() bool {
	return e.pooler != "" && (e.Reason == DatabaseMissing || e.Reason == Pooler && strings.Contains(strings.ToLower(e.Server), "no such database"))
}

// sameWords counts a pooler's answers that follow each other and are equal. A
// pooler whose configuration is just being changed, or that has just been
// started, says something else soon; after three times it is a refusal.
type sameWords struct {
	words string
	n     int
}

const enoughWords = 3

func (s *sameWords) count(e *Error) {
	if e.Reason != Pooler {
		*s = sameWords{}
		return
	}
	if s.words != e.Server {
		*s = sameWords{words: e.Server}
	}
	s.n++
	e.final = s.n >= enoughWords
}

func (e *Error) poolerWhat() string {
	at := "the connection pooler on " + e.Addr + " (" + e.pooler + ", by the form of its answer)"
	if e.unknownToPooler() {
		return at + " does not offer database " + quote(e.Database)
	}
	return at + " refused role " + quote(e.User) + ": probably the password is wrong, or the pooler does not know the role or database " + quote(e.Database)
}

func (e *Error) poolerNext() string {
	if e.unknownToPooler() {
		return "add the database to [databases] of the pooler (pgbouncer.ini: " + Shown(e.Database) + " = host=… port=5432) and reload the pooler; Odoo needs database postgres to list and create databases, and to send notifications"
	}
	return "log in to the server itself to see whether the password is right: psql -h SERVER -U " + Shown(e.User) + " -d " + Shown(e.Database) + "; if it is, see that the pooler's [databases] has " + Shown(e.Database) + ", and its auth_file or auth_query the role"
}
