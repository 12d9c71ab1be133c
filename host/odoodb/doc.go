// Package odoodb works on a project's Odoo databases: it lists, backs up,
// verifies, restores, drops and creates them and sets the administrator's
// password. It prints nothing: results, warnings and errors are values.
//
// # Server
//
// Everything but Verify is a method of Server, which has no constructor: fill
// in PG, AppRole, AppPassword, Admin, Files and StateDir. Admin is a
// plain func, so a method value such as cluster.Admin fits. A Server holds no
// connection and needs no closing.
//
// The caller holds the lock that serialises odpm's runs on a cluster and calls
// Recover before any other work that writes.
//
// # Entry points
//
//	List(ctx) ([]Database, error)
//	    every database with size, owner, version, state and file store
//	LeftOvers(ctx) ([]LeftOver, error)
//	    what interrupted work left behind
//	Recover(ctx, OdooService) ([]Recovered, error)
//	    completes or reverts interrupted restores, removes interrupted backups
//	Create(ctx, name, CreateOptions) error
//	    an empty database for -i base; IsExists
//	Drop(ctx, name) (DropReport, error)
//	    database, then file store; IsMissing, Holders
//	SetAdminPassword(ctx, AdminPassword) (AdminReport, error)
//	    IsMissing, IsNotOdoo, IsLoginTaken
//	Backup(ctx, BackupOptions) (BackupResult, error)
//	    Odoo's zip or pg_dump -Fc; IsMissing, IsNotOdoo, IsFileExists
//	Restore(ctx, RestoreOptions) (RestoreReport, error)
//	    archive.IsRefused, sqldump.IsRefused, IsUnproven, Holders
//	Verify(ctx, file, VerifyOptions) (VerifyResult, error)   (a function)
//	    proves an archive without restoring it; archive.IsRefused, IsUnproven
//	DefaultFile(database, format, time) string
//	    "<db>_<YYYY-MM-DD_HH-MM-SS>.zip" or ".dump"
//
// Reports are valid as far as they go when there is an error, too. Warnings in
// them are sentences for a person. Cancelling the context ends the work and
// cleans up before the method returns: neither a half database nor a ".part"
// file stays.
//
// # Progress
//
// Methods that take long have a Progress in their options. Events come from
// several goroutines; see Event. Backup sends PhaseDump and PhaseFilestore,
// Restore sends PhaseRestore and PhaseFilestore side by side, then
// PhaseIndexes, PhaseVerify and PhaseSwap, Verify sends PhaseVerify.
package odoodb
