package odoodb

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/odpm/odpm/shared/shell"
)

// LeftOver is something of odpm's own that should not be there any more.
type LeftOver struct {
	// Kind is "database" or "filestore".
	Kind string
	// Name is the database's, or the directory's last element.
	Name string
	// Path is a filestore's directory.
	Path string
	// For is the database that was to be restored or backed up, where a
	// journal says it.
	For string
	// Journal is set where the next run cleans it up by itself (Recover). It
	// may also be a run that is going on.
	Journal string
	// Remedy is what a person types where there is no journal.
	Remedy string
}

// purpose is what a journal says about a name.
type purpose struct{ target, journal string }

// purposes reads from the journals what the names of unfinished work are for.
// Targets whose connections a swap has closed are among them.
func (s *Server) purposes() (map[string]purpose, error) {
	known := map[string]purpose{}
	restores, err := journals(s.StateDir)
	if err != nil {
		return nil, err
	}
	for _, j := range restores {
		p := purpose{j.Target, j.path}
		known[j.New], known[j.Old] = p, p
		if j.Step != stepLoading {
			known[j.Target] = p
		}
	}
	drops, err := dropJournals(s.StateDir)
	if err != nil {
		return nil, err
	}
	for _, j := range drops {
		known[j.Database] = purpose{j.Database, j.path}
	}
	backups, err := backupJournals(s.StateDir)
	if err != nil && !IsLeftBehind(err) {
		return nil, err
	}
	for _, j := range backups {
		if j.empty() {
			continue
		}
		known[filepath.Base(j.Links)] = purpose{j.Database, j.path}
	}
	return known, nil
}

// remedy is what a person types about a database that no journal knows.
func remedy(database string) string { return "odpm -d " + database + " --db-drop" }

// LeftOvers names databases and file stores with odpm's names: of interrupted
// work that Recover will deal with, and those whose journal is gone.
func (s *Server) LeftOvers(ctx context.Context) ([]LeftOver, error) {
	known, err := s.purposes()
	if err != nil {
		return nil, err
	}
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return nil, err
	}
	defer closeConn(c)
	names, err := collect(ctx, c, `SELECT datname::pg_catalog.text FROM pg_catalog.pg_database
		WHERE pg_catalog.starts_with(datname::pg_catalog.text, 'odpm_'::pg_catalog.text) ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	var found []LeftOver
	for _, n := range names {
		if !isLeftOver(n) {
			continue
		}
		l := LeftOver{Kind: "database", Name: n, For: known[n].target, Journal: known[n].journal}
		if l.Journal == "" {
			l.Remedy = remedy(n)
		}
		found = append(found, l)
	}
	names, err = s.Files.Find(isLeftOver)
	if err != nil {
		return found, fmt.Errorf("file store: %w", err)
	}
	for _, path := range names {
		n := filepath.Base(path)
		l := LeftOver{Kind: "filestore", Name: n, Path: path, For: known[n].target, Journal: known[n].journal}
		if l.Journal == "" {
			l.Remedy = "sudo rm -rf " + shell.Quote(l.Path)
		}
		found = append(found, l)
	}
	return found, nil
}
