package odoodb

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/odoodb/tables"
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
func purposes(s *server.Server) (map[string]purpose, error) {
	known := map[string]purpose{}
	restores, err := swap.Journals(s.StateDir)
	if err != nil {
		return nil, err
	}
	for _, j := range restores {
		p := purpose{j.Target, j.Path}
		known[j.New], known[j.Old] = p, p
		if j.Step != swap.StepLoading {
			known[j.Target] = p
		}
	}
	drops, err := drop.Journals(s.StateDir)
	if err != nil {
		return nil, err
	}
	for _, j := range drops {
		known[j.Database] = purpose{j.Database, j.Path}
	}
	backups, err := backup.Journals(s.StateDir)
	if err != nil && !backup.IsLeftBehind(err) {
		return nil, err
	}
	for _, j := range backups {
		if j.Empty() {
			continue
		}
		known[filepath.Base(j.Links)] = purpose{j.Database, j.Path}
	}
	return known, nil
}

// remedy is what a person types about a database that no journal knows.
func remedy(database string) string { return "odpm -d " + shell.Quote(database) + " --db-drop" }

// LeftOvers names databases and file stores with odpm's names: of interrupted
// work that Recover will deal with, and those whose journal is gone.
func LeftOvers(ctx context.Context, s *server.Server) ([]LeftOver, error) {
	known, err := purposes(s)
	if err != nil {
		return nil, err
	}
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return nil, err
	}
	defer engine.Close(c)
	names, err := tables.Collect(ctx, c, `SELECT datname::pg_catalog.text FROM pg_catalog.pg_database
		WHERE pg_catalog.starts_with(datname::pg_catalog.text, 'odpm_'::pg_catalog.text) ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	var found []LeftOver
	for _, n := range names {
		if !server.IsLeftOver(n) {
			continue
		}
		l := LeftOver{Kind: "database", Name: n, For: known[n].target, Journal: known[n].journal}
		if l.Journal == "" {
			l.Remedy = remedy(n)
		}
		found = append(found, l)
	}
	names, err = s.Files.Find(server.IsLeftOver)
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
