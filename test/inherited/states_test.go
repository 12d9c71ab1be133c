package inherited_test

import (
	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/test/inherited/legacy"
)

// state is one way in which a cluster arrives, and what has to come of it.
type state struct {
	name, title string
	// from and to bound the majors in which it can exist; 0 is no bound.
	from, to int

	superuser, hba string
	conf, setup    []string
	want           cluster.Wanted
	hints          cluster.Hints

	// singleUser: the server has to be stopped for it.
	singleUser bool
	// changed are the roles whose own row in pg_authid may differ afterwards.
	changed []string
	// noChange: nothing may be done at all.
	noChange bool
	// superAfter: the majors from which on the role stays a superuser, 0 never.
	superAfter int
	// noAdmin: odpm has no administrator afterwards either.
	noAdmin bool
	// notes are words that must be in what is reported, by the first major
	// that says them.
	notes map[string]int
}

var odoo = cluster.Wanted{Role: "odoo", Password: "project-secret"}

const (
	good      = `CREATE ROLE odoo LOGIN CREATEDB PASSWORD 'project-secret'`
	localPeer = "local all all peer\nhost all all all scram-sha-256\n"
	localPass = "local all all scram-sha-256\nhost all all all scram-sha-256\n"
	md5Only   = "local all all trust\nhost all all all md5\n"
)

var states = []state{
	{
		name: "no-role", title: "The application role does not exist",
		changed: []string{"odoo"},
	}, {
		name: "good", title: "Everything is as it should be",
		setup: []string{`SET password_encryption = 'scram-sha-256'`, good}, noChange: true,
	}, {
		name: "other-password", title: "The role has another password",
		setup: []string{`CREATE ROLE odoo LOGIN CREATEDB PASSWORD 'of-long-ago'`}, changed: []string{"odoo"},
	}, {
		name: "no-password", title: "The role has no password",
		setup: []string{`CREATE ROLE odoo LOGIN CREATEDB`}, changed: []string{"odoo"},
	}, {
		name: "nologin", title: "The role is NOLOGIN",
		setup: []string{good, `ALTER ROLE odoo NOLOGIN`}, changed: []string{"odoo"},
	}, {
		name: "nocreatedb", title: "The role is NOCREATEDB",
		setup: []string{good, `ALTER ROLE odoo NOCREATEDB`}, changed: []string{"odoo"},
	}, {
		name: "expired", title: "The role's password has expired",
		setup: []string{good, `ALTER ROLE odoo VALID UNTIL '2020-02-02'`}, changed: []string{"odoo"},
	}, {
		name: "limit-0", title: "The role has CONNECTION LIMIT 0",
		setup: []string{good, `ALTER ROLE odoo CONNECTION LIMIT 0`}, changed: []string{"odoo"},
	}, {
		name: "all-at-once", title: "NOLOGIN, NOCREATEDB, expired, limit 0 and another password at once",
		setup:   []string{`CREATE ROLE odoo NOLOGIN NOCREATEDB CONNECTION LIMIT 0 PASSWORD 'x' VALID UNTIL '2020-02-02'`},
		changed: []string{"odoo"},
	}, {
		name: "superuser", title: "The role is a superuser beside postgres",
		setup:   []string{`CREATE ROLE odoo SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN PASSWORD 'project-secret'`},
		changed: []string{"odoo"},
	}, {
		name: "bootstrap", title: "The role is the bootstrap superuser (OID 10), and there is no postgres",
		superuser: "odoo", setup: []string{`CREATE ROLE reporting LOGIN`},
		changed: []string{"odoo", "postgres"}, superAfter: 16,
		notes: map[string]int{"OID 10": 12, "stays a superuser": 16},
	}, {
		name: "bootstrap-dba", title: "The role is the bootstrap superuser (OID 10), beside another administrator",
		superuser: "odoo", setup: []string{`CREATE ROLE dba SUPERUSER LOGIN`},
		changed: []string{"odoo"}, superAfter: 16,
		notes: map[string]int{"OID 10": 12},
	}, {
		name: "bootstrap-demoted", title: "The role is the bootstrap role (OID 10), demoted: no superuser is left", to: 15,
		superuser: "odoo", setup: []string{`ALTER ROLE odoo NOSUPERUSER`},
		singleUser: true, changed: []string{"odoo", "postgres"},
		notes: map[string]int{"OID 10": 12},
	}, {
		name: "admin-nologin", title: "The only administrator is NOLOGIN",
		setup: []string{good, `ALTER ROLE postgres NOLOGIN`}, singleUser: true, changed: []string{"odoo", "postgres"},
	}, {
		name: "superuser-alone", title: "The role is the only superuser that may log in, postgres is NOLOGIN",
		setup: []string{good, `ALTER ROLE odoo SUPERUSER`, `ALTER ROLE postgres NOLOGIN`}, changed: []string{"odoo", "postgres"},
	}, {
		name: "all-nologin", title: "Every superuser is NOLOGIN, the application role among them",
		setup: []string{`CREATE ROLE odoo SUPERUSER NOLOGIN`, `CREATE ROLE dba SUPERUSER NOLOGIN`, `ALTER ROLE postgres NOLOGIN`}, singleUser: true,
		changed: []string{"odoo", "postgres"},
	}, {
		name: "bootstrap-nologin", title: "The role is the bootstrap superuser (OID 10) and NOLOGIN, there is nobody else",
		superuser: "odoo", setup: []string{`ALTER ROLE odoo NOLOGIN`}, singleUser: true, changed: []string{"odoo", "postgres"}, superAfter: 16,
		notes: map[string]int{"OID 10": 12},
	}, {
		name: "renamed", title: "The superuser was renamed to something that nobody can guess",
		setup: []string{`CREATE ROLE tmp SUPERUSER LOGIN`, `SET SESSION AUTHORIZATION tmp`, `ALTER ROLE postgres RENAME TO zeus_1742`, `RESET SESSION AUTHORIZATION`, `DROP ROLE tmp`},
		// The server is stopped to read its name; the work is done live.
		singleUser: true, changed: []string{"odoo"},
	}, {
		name: "renamed-seen", title: "The superuser was renamed, and an ordinary role can see its name",
		setup: []string{good, `CREATE ROLE tmp SUPERUSER LOGIN`, `SET SESSION AUTHORIZATION tmp`, `ALTER ROLE postgres RENAME TO zeus_1742`, `RESET SESSION AUTHORIZATION`, `DROP ROLE tmp`,
			`ALTER ROLE odoo NOCREATEDB`}, changed: []string{"odoo"},
	}, {
		name: "postgres-ordinary", title: "postgres is an ordinary role, the superuser is NOLOGIN", superuser: "founder",
		setup: []string{`CREATE ROLE postgres LOGIN`, `ALTER ROLE founder NOLOGIN`}, singleUser: true, changed: []string{"odoo", "odpm_admin"},
		notes: map[string]int{"not a superuser: left as it is": 12},
	}, {
		name: "peer", title: "pg_hba.conf says peer for the socket, and no role is called like the server's user", superuser: "founder",
		hba: localPeer, setup: []string{good, `ALTER ROLE odoo NOCREATEDB`}, singleUser: true, changed: []string{"odoo", "postgres"},
	}, {
		name: "peer-map", title: "The role is a superuser; pg_hba.conf lets only it and postgres use the socket, and postgres does not exist", superuser: "founder",
		hba:   "local all odoo,postgres trust\nhost all all all scram-sha-256\n",
		setup: []string{good, `ALTER ROLE odoo SUPERUSER`}, changed: []string{"odoo", "postgres"},
	}, {
		name: "socket-closed", title: "The role is a superuser, and pg_hba.conf lets only it use the socket", superuser: "founder",
		hba:   "local all odoo trust\nhost all all all scram-sha-256\n",
		setup: []string{`SET password_encryption = 'scram-sha-256'`, good, `ALTER ROLE odoo SUPERUSER`}, noChange: true, superAfter: 12,
		notes: map[string]int{"stays a superuser": 12},
	}, {
		name: "password-unknown", title: "pg_hba.conf asks for a password on the socket, and nobody knows the administrator's",
		hba: localPass, setup: []string{`CREATE ROLE odoo LOGIN`}, singleUser: true, changed: []string{"odoo"}, noAdmin: true,
		notes: map[string]int{"not odpm over the server's own socket": 12},
	}, {
		name: "password-known", title: "pg_hba.conf asks for a password on the socket, and the project knows the administrator's",
		hba: localPass, setup: []string{`SET password_encryption = 'scram-sha-256'`, `ALTER ROLE postgres PASSWORD '` + legacy.BootPassword + `'`},
		hints: cluster.Hints{Password: legacy.BootPassword}, changed: []string{"odoo"},
	}, {
		name: "md5-hba", title: "pg_hba.conf asks for md5, the cluster keeps md5, the password is another one",
		hba: md5Only, conf: []string{"password_encryption = md5"}, setup: []string{`CREATE ROLE odoo LOGIN CREATEDB PASSWORD 'other'`}, changed: []string{"odoo"},
	}, {
		name: "md5-good", title: "pg_hba.conf asks for md5, and the password is stored as md5",
		hba: md5Only, conf: []string{"password_encryption = md5"}, setup: []string{good}, noChange: true,
	}, {
		name: "md5-stored", title: "pg_hba.conf asks for SCRAM, and the password is stored as md5",
		setup: []string{`SET password_encryption = 'md5'`, good}, changed: []string{"odoo"},
	}, {
		name: "powers", title: "The role has rights that Odoo does not need",
		setup: []string{`SET password_encryption = 'scram-sha-256'`, good, `ALTER ROLE odoo REPLICATION CREATEROLE`, `GRANT pg_execute_server_program TO odoo`, `ALTER ROLE odoo SET work_mem = '64MB'`}, noChange: true,
		notes: map[string]int{"CREATEROLE, REPLICATION": 12, "pg_execute_server_program": 12},
	}, {
		name: "settings", title: "The role's sessions are read-only, in another schema, as another role",
		noChange: true,
		setup: []string{`SET password_encryption = 'scram-sha-256'`, good, `ALTER ROLE odoo SET default_transaction_read_only = on`, `ALTER ROLE odoo SET search_path = private`,
			`CREATE ROLE crew`, `ALTER ROLE odoo IN DATABASE postgres SET role = crew`, `ALTER ROLE odoo SET work_mem = '8MB'`},
		notes: map[string]int{"Odoo cannot write": 12, "in public": 12, `role "odoo" in database "postgres" begins with role`: 12, `IN DATABASE "postgres" RESET role`: 12},
	}, {
		name: "name-dash", title: "The role's name needs quoting: my-role; the password has quotes, a backslash and dollars",
		want: cluster.Wanted{Role: "my-role", Password: `it's "q" \ $1 $$ %s`}, changed: []string{"my-role"},
	}, {
		name: "name-umlaut", title: "The role's name has an umlaut, the password too, and spaces in between",
		want: cluster.Wanted{Role: "Ödoo", Password: "grüße aus köln"}, changed: []string{"Ödoo"},
	}, {
		name: "name-quote", title: `The role's name has a quote in it (a"b), and everybody is locked out`,
		want: cluster.Wanted{Role: `a"b`, Password: `p'; DROP ROLE postgres; --\`}, setup: []string{`CREATE ROLE "a""b"`, `ALTER ROLE postgres NOLOGIN`},
		singleUser: true, changed: []string{`a"b`, "postgres"},
	},
}
