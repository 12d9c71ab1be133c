package inherited_test

import "testing"

// section is a part of the page: what a person asks, and the states that answer it.
type section struct {
	asks, about, title, intro string
	names                     []string
}

func (s section) states() []state {
	var out []state
	for _, name := range s.names {
		for _, st := range states {
			if st.name == name {
				out = append(out, st)
			}
		}
	}
	return out
}

var sections = []section{{
	asks: "Odoo's role is missing or cannot log in", about: "no role, another password, NOLOGIN, expired, names that need quoting",
	title: "The role is missing or cannot log in",
	intro: "odpm creates the role, or changes exactly what is wrong with it.",
	names: []string{"no-role", "good", "other-password", "no-password", "nologin", "nocreatedb", "expired", "limit-0", "all-at-once", "name-dash", "name-umlaut"},
}, {
	asks: "Odoo's role is a superuser", about: "`POSTGRES_USER=odoo` in a compose file makes it one",
	title: "The role is a superuser",
	intro: "odpm takes the superuser's rights away, after it has made sure that another administrator can log in. The role that\n" +
		"initdb made (OID 10) stays a superuser on PostgreSQL 16 and later, which lets nobody demote it.",
	names: []string{"superuser", "superuser-alone", "bootstrap", "bootstrap-dba", "bootstrap-demoted"},
}, {
	asks: "No administrator can log in", about: "`postgres` is NOLOGIN, renamed, or an ordinary role",
	title: "No administrator can log in",
	intro: "If no superuser can log in over the server's own socket, odpm stops PostgreSQL, reads the roles in single-user mode,\n" +
		"repairs only what is needed, and starts it again.",
	names: []string{"admin-nologin", "all-nologin", "bootstrap-nologin", "renamed", "renamed-seen", "postgres-ordinary", "name-quote"},
}, {
	asks: "pg_hba.conf is in the way", about: "peer, a map, a closed socket, a password that nobody knows",
	title: "pg_hba.conf is in the way",
	intro: "odpm never edits pg_hba.conf. A superuser that it cannot use because of that file is left as it is.",
	names: []string{"peer", "peer-map", "socket-closed", "password-unknown", "password-known"},
}, {
	asks: "Passwords are stored as md5", about: "the default up to PostgreSQL 13",
	title: "Passwords are stored as md5",
	intro: "odpm replaces an md5 password only if pg_hba.conf asks for SCRAM, and keeps the same password.",
	names: []string{"md5-hba", "md5-good", "md5-stored"},
}, {
	asks: "The role has rights or settings that Odoo does not need", about: "CREATEROLE, REPLICATION, a `search_path`, read-only sessions",
	title: "The role has other rights or settings",
	intro: "The login works, and somebody may have set these on purpose, so odpm reports them and changes nothing.",
	names: []string{"powers", "settings"},
}}

const intro = `# Inherited clusters

<!-- Written by test/inherited: go test ./test/inherited -run TestInherited -update -->

This page is for people who take over a PostgreSQL cluster that somebody else made, and want to know beforehand what odpm
would do to its roles. It has every broken state that we know of, with the SQL, as seen on a real server of every major
from 12 to 18. The rules behind it are in [application-role.md](application-role.md).

To see the SQL for your own cluster, without changing anything: ` + "`odpm database ensure-role --show-sql`" + `.

| your cluster | cases |
|---|---|
`

const legend = `
The tables below use these words:

| word | meaning |
|---|---|
| as it is | nothing had to be done, and nothing was |
| repaired | the login works now |
| stopped | nobody could log in as superuser, so PostgreSQL was stopped, its roles were read in single-user mode, and it was started again |
| ° | something was reported and left as it is |

Where a case names no major, it is the same on 12 to 18. [How this was tested](#how-this-was-tested) is at the end.
`

const tested = `
## How this was tested

For each state and major the suite

- runs ` + "`odpm plan --plan-show-diff` and `odpm database ensure-role --show-sql`" + `, which show the SQL above, and sees that no
  file, no process and no row changed;
- runs ` + "`odpm database ensure-role`" + `, twice: the second run changes nothing;
- asks psql, over TCP and with password authentication: the login works, with another password it does not, and the role
  can create a database;
- compares all roles, memberships, settings, databases, owners and rights before and after: they are the same, except
  for the rows of the roles that odpm announced;
- looks for the password and for verifiers in the server's log (which logs every statement) and in all that odpm printed:
  neither is there.
`

// TestSections: the page has every state, once.
func TestSections(t *testing.T) {
	seen := map[string]int{}
	for _, sec := range sections {
		for _, s := range sec.states() {
			seen[s.name]++
		}
		if len(sec.states()) != len(sec.names) {
			t.Errorf("%s: there is no such state among %q", sec.title, sec.names)
		}
	}
	for _, s := range states {
		if seen[s.name] != 1 {
			t.Errorf("%s is in %d sections of the page", s.name, seen[s.name])
		}
	}
}
