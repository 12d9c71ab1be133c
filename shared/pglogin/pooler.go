package pglogin

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	pgBouncer = "PgBouncer"
	odyssey   = "Odyssey"
	// pgcat, Supavisor and what clouds have do not differ in form.
	otherPooler = "pgcat, a cloud's proxy or the like"
)

// poolerOf names the pooler that made an error in the server's place, "" for a
// server's own. A PostgreSQL gives with every error the place in its source, and
// since 9.6 the severity untranslated; PgBouncer gives neither, and others only
// the second, whatever their words and their SQLSTATE are.
func poolerOf(e *pgconn.PgError) string {
	switch {
	case strings.HasPrefix(e.Message, "odyssey: "):
		return odyssey
	case e.Routine != "" || e.File != "" || e.Line != 0:
		return ""
	case e.SeverityUnlocalized == "":
		return pgBouncer
	}
	return otherPooler
}

// Poolers translate nothing, so their words can be compared.
var (
	// passing are words about a state that passes: the server behind PgBouncer is
	// away (until server_login_retry is over), or its own limits are reached.
	passing = regexp.MustCompile(`(?i)server|retry|try again|shut|timeout|paus|suspend|too many|no more|limit|busy|connect`)
	// unroutable are words about a role or database that the configuration does
	// not have; a name in them may contain any of the words above. pgcat says so
	// with the code of a system's error, Supavisor with that of an internal one.
	unroutable = regexp.MustCompile(`(?i)^(\([A-Z]+\) )?(no pool configured|no such (database|user)|unknown (database|user)|(tenant|user|database)\b.* not found)`)
	// wantsTLS and unsupported are refusals of what the client begins with.
	wantsTLS    = regexp.MustCompile(`(?i)\b(ssl|tls)\b.*\brequired|requires? (ssl|tls)\b`)
	unsupported = regexp.MustCompile(`(?i)unsupported .*startup parameter|support command-line options`)
	// unasked: what has the passwords, the server, could not be asked for them.
	unasked = regexp.MustCompile(`(?i)auth.?query`)
	// connectionID changes with every connection.
	connectionID = regexp.MustCompile(`^odyssey: [a-z][0-9a-f]+: `)
)

// poolerReason classifies what a pooler said. PgBouncer up to 1.18 and most of
// later ones give 08P01 for everything.
func poolerReason(e *pgconn.PgError) Reason {
	reason := reasonOf(e)
	switch {
	case wantsTLS.MatchString(e.Message), unsupported.MatchString(e.Message):
		return Pooler
	case reason == ServerBusy && (unroutable.MatchString(e.Message) || e.Code == "08P01" && !passing.MatchString(e.Message)):
		return Pooler
	case reason == LoginRefused && unasked.MatchString(e.Message):
		return ServerBusy
	}
	return reason
}

// wantsTLS says whether a login without TLS was refused, perhaps for the want of it.
func (e *Error) wantsTLS() bool {
	return e.Reason == HBARejected || e.Reason == Pooler && wantsTLS.MatchString(e.Server)
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
	if words := connectionID.ReplaceAllString(e.Server, ""); s.words != words {
		*s = sameWords{words: words}
	}
	s.n++
	e.final = s.n >= enoughWords
}

func (e *Error) poolerWhat() string {
	at := "the connection pooler on " + e.Addr + " (" + e.pooler + ", by the form of its answer)"
	switch {
	case e.unknownToPooler():
		return at + " does not offer database " + quote(e.Database)
	case wantsTLS.MatchString(e.Server):
		return at + " takes only connections with TLS"
	case unsupported.MatchString(e.Server):
		return at + " rejects a parameter that the session starts with"
	}
	return at + " refused role " + quote(e.User) + ": probably the password is wrong, or the pooler does not know the role or database " + quote(e.Database)
}

func (e *Error) poolerNext() string {
	const needs = "; Odoo needs database postgres to list and create databases, and to send notifications"
	unknown, name := e.unknownToPooler(), Shown(e.Database)
	psql := "log in to the server itself to see whether the password is right: psql -h SERVER -U " + Shown(e.User) + " -d " + name + "; if it is, see that "
	switch {
	case wantsTLS.MatchString(e.Server):
		return "set db_sslmode = require, or PGSSLMODE=require"
	case unsupported.MatchString(e.Server):
		return "remove PGOPTIONS, PGGEQO and the like, or have the pooler ignore it (pgbouncer.ini: ignore_startup_parameters = options,geqo)"
	case unknown && e.pooler == pgBouncer:
		return "add the database to [databases] of the pooler (pgbouncer.ini: " + name + " = host=… port=5432) and reload the pooler" + needs
	case unknown:
		return "add database " + name + " for role " + Shown(e.User) + " to the pooler's configuration and reload the pooler" + needs
	case e.pooler == pgBouncer:
		return psql + "the pooler's [databases] has " + name + ", and its auth_file or auth_query the role"
	}
	return psql + "the pooler's configuration has database " + name + " and the role"
}
