package odoodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/cluster"
)

// dropJournal is what the next run needs to know if a drop is cut short: below
// PostgreSQL 13 the database is closed to everybody while it is dropped, and
// its file store goes after it.
type dropJournal struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	OID      uint32 `json:"oid"`
	// Allowed and Template are datallowconn and datistemplate before the drop.
	Allowed  bool `json:"allowed_connections"`
	Template bool `json:"is_template"`
	// Lock names the interlock that the drop's connection holds.
	Lock string `json:"lock"`

	path string
}

const dropPrefix = "drop-"

// beginDrop writes the journal and takes the interlock on c.
func (s *Server) beginDrop(ctx context.Context, c *cluster.Session, database string, info dbinfo) (*dropJournal, error) {
	id := token()
	j := &dropJournal{Version: journalVersion, Database: database, OID: info.OID, Allowed: info.AllowC, Template: info.Template, Lock: hiddenPrefix + id}
	j.path = filepath.Join(s.StateDir, dropPrefix+id+".json")
	if err := interlock(ctx, c, j.Lock); err != nil {
		return nil, err
	}
	return j, saveJournal("drop", j.path, j, nil)
}

// dropJournals reads what interrupted drops left.
func dropJournals(stateDir string) ([]*dropJournal, error) {
	found, err := filepath.Glob(filepath.Join(globQuote(stateDir), dropPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var all []*dropJournal
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, &journalError{path, err}
		}
		j := &dropJournal{path: path}
		if err := json.Unmarshal(b, j); err != nil {
			return nil, &journalError{path, err}
		}
		_, lockErr := interlockKey(j.Lock)
		if err := errors.Join(checkName(j.Database), lockErr); err != nil || j.Version != journalVersion || j.OID == 0 {
			return nil, &journalError{path, errors.Join(errors.New("it does not describe a drop"), err)}
		}
		all = append(all, j)
	}
	return all, nil
}

// undoDrop is for a drop that failed: on a connection and in a time of its own,
// since a Ctrl-C closes the drop's. DROP DATABASE may have succeeded all the
// same; done says so, and the file store is gone as well then.
func (s *Server) undoDrop(ctx context.Context, j *dropJournal) (done Recovered, err error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return done, fmt.Errorf("undoing the drop failed as well; the next run of odpm tries again: %w", err)
	}
	defer closeConn(c)
	if done, err = s.settleDrop(ctx, c, j); err != nil {
		err = fmt.Errorf("undoing the drop failed as well; the next run of odpm tries again: %w", err)
	}
	return done, err
}

// settleDrop opens the database again that was to be dropped, or, where it is
// gone, removes its file store.
func (s *Server) settleDrop(ctx context.Context, c *cluster.Session, j *dropJournal) (Recovered, error) {
	r := Recovered{Database: j.Database, Drop: true}
	if err := quiesce(ctx, c, j.Lock); err != nil {
		return r, err
	}
	name, err := byOID(ctx, c, j.OID)
	if err != nil {
		return r, err
	}
	if name != "" {
		if j.Allowed {
			_, err = c.Exec(ctx, `ALTER DATABASE `+ident(name)+` ALLOW_CONNECTIONS true`)
		}
		if err == nil && j.Template {
			_, err = c.Exec(ctx, `ALTER DATABASE `+ident(name)+` IS_TEMPLATE true`)
		}
		if err != nil {
			return r, fmt.Errorf("let connections into database %q again: %w", name, err)
		}
		return r, removeJournal(j.path)
	}
	r.Completed = true
	// A database that has been made under the name since owns the files.
	if _, err := lookup(ctx, c, j.Database); IsMissing(err) {
		r.Filestore, err = s.removeFilestore(ctx, j.Database)
		if err != nil {
			return r, err
		}
	} else if err != nil {
		return r, err
	}
	return r, removeJournal(j.path)
}
