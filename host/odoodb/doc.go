// Package odoodb knows all of a project's Odoo databases at once: it lists them,
// names what unfinished work has left behind, and ends that work. Each operation
// has a room below:
//
//	create      an empty database for -i base
//	drop        a database, then its file store
//	adminpass   the administrator's login and password
//	backup      Odoo's zip or pg_dump -Fc
//	restore     an archive in the place of a database; its rehearsal
//	swap        the last step of a restore, and its undoing after a crash
//	neutralize  a harmless copy
//	verify      whether an archive is the backup of an Odoo database; one judgement
//	            for what is backed up, verified and restored
//	needs       what a dump wants of a server, and what becomes of it there
//
// They stand on what they share: server (sessions, names, locks), tables (reading
// somebody else's database), journal (what the next run needs after a crash),
// progress, disk and fault; and on archive, sqldump, load and pdeflate, which know no
// server's Odoo. Imports go down this list only, and backup and restore do not know
// each other.
//
// The rooms print nothing: results, warnings and errors are values. Reports are
// valid as far as they go when there is an error, too. Warnings in them are
// sentences for a person. Cancelling the context ends the work and cleans up
// before the function returns: neither a half database nor a ".part" file stays.
//
// # Server
//
// Everything but verify.File takes a server.Server, which has no constructor: fill
// in PG, AppRole, AppPassword, Admin, Files and StateDir. Admin is a plain func, so
// a method value such as cluster.Admin fits. A Server holds no connection and needs
// no closing.
//
// The caller holds the lock that serialises odpm's runs on a cluster and calls
// Recover before any other work that writes.
//
// # Progress
//
// What takes long has a progress.Func in its options. Events come from several
// goroutines; see progress.Event. A backup sends PhaseDump and PhaseFilestore, a
// restore PhaseRestore and PhaseFilestore side by side, then PhaseIndexes,
// PhaseVerify and PhaseSwap, verify.File sends PhaseVerify.
package odoodb
