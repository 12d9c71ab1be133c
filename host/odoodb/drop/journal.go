package drop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/shared/jsonpos"
)

// Journal is what the next run needs to know if a drop is cut short: below
// PostgreSQL 13 the database is closed to everybody while it is dropped, and
// its file store goes after it.
type Journal struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	OID      uint32 `json:"oid"`
	// Allowed and Template are datallowconn and datistemplate before the drop.
	Allowed  bool `json:"allowed_connections"`
	Template bool `json:"is_template"`
	// Lock names the interlock that the drop's connection holds.
	Lock string `json:"lock"`

	// Path is the journal's own file.
	Path string `json:"-"`
}

// begin writes the journal and takes the interlock on c.
func begin(ctx context.Context, s *server.Server, c *cluster.Session, database string, info server.Info) (*Journal, error) {
	id := server.Token()
	j := &Journal{Version: journal.Version, Database: database, OID: info.OID, Allowed: info.AllowC, Template: info.Template, Lock: server.HiddenPrefix + id}
	j.Path = filepath.Join(s.StateDir, journal.DropPrefix+id+".json")
	if err := server.Interlock(ctx, c, j.Lock); err != nil {
		return nil, err
	}
	return j, journal.Save("drop", j.Path, j, nil)
}

// Journals reads what interrupted drops left.
func Journals(stateDir string) ([]*Journal, error) {
	found, err := filepath.Glob(filepath.Join(journal.GlobQuote(stateDir), journal.DropPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var all []*Journal
	for _, path := range found {
		b, err := journal.Read(path)
		if err != nil {
			return nil, journal.Unreadable(path, err)
		}
		j := &Journal{Path: path}
		if err := jsonpos.Unmarshal(b, j); err != nil {
			return nil, journal.Unreadable(path, err)
		}
		_, lockErr := server.InterlockKey(j.Lock)
		if err := errors.Join(server.CheckName(j.Database), lockErr); err != nil || j.Version != journal.Version || j.OID == 0 {
			return nil, journal.Unreadable(path, errors.Join(errors.New("it does not describe a drop"), err))
		}
		all = append(all, j)
	}
	return all, nil
}

// undo is for a drop that failed: on a connection and in a time of its own,
// since a Ctrl-C closes the drop's. DROP DATABASE may have succeeded
// anyway; done says so, and the file store is gone as well then.
func undo(ctx context.Context, s *server.Server, j *Journal) (done journal.Recovered, err error) {
	ctx, cancel := server.Detached(ctx)
	defer cancel()
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return done, fmt.Errorf("undoing the drop failed as well; the next run of odpm tries again: %w", err)
	}
	defer engine.Close(c)
	if done, err = Settle(ctx, s, c, j); err != nil {
		err = fmt.Errorf("undoing the drop failed as well; the next run of odpm tries again: %w", err)
	}
	return done, err
}

// Settle opens the database again that was to be dropped, or, where it is
// gone, removes its file store. One that PostgreSQL had begun to remove is dropped to
// the end: that cannot be undone.
func Settle(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal) (journal.Recovered, error) {
	r := journal.Recovered{Database: j.Database, Drop: true}
	if err := server.Quiesce(ctx, c, j.Lock); err != nil {
		return r, err
	}
	name, err := server.ByOID(ctx, c, j.OID)
	if err != nil {
		return r, err
	}
	hollow, info := false, server.Info{}
	if name != "" {
		if info, hollow, err = server.Hollow(ctx, c, name); err != nil {
			return r, err
		}
	}
	switch {
	case hollow:
		if _, err := dropDatabase(ctx, c, name, info); err != nil {
			return r, err
		}
	case name != "":
		if j.Allowed {
			_, err = c.Exec(ctx, `ALTER DATABASE `+quote.Ident(name)+` ALLOW_CONNECTIONS true`)
		}
		if err == nil && j.Template {
			_, err = c.Exec(ctx, `ALTER DATABASE `+quote.Ident(name)+` IS_TEMPLATE true`)
		}
		if err != nil {
			return r, fmt.Errorf("allow connections to database %q again: %w", name, err)
		}
		return r, journal.Remove(j.Path)
	}
	r.Completed = true
	// A database that has been made under the name since owns the files.
	if _, err := server.Lookup(ctx, c, j.Database); server.IsMissing(err) {
		r.Filestore, err = removeFilestore(ctx, s, j.Database)
		if err != nil {
			return r, err
		}
	} else if err != nil {
		return r, err
	}
	return r, journal.Remove(j.Path)
}
