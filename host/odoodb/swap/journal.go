package swap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/shared/jsonpos"
)

// Step is how far a restore has got.
type Step string

const (
	// StepLoading: the new database and file store are being made; the old
	// ones are as they were.
	StepLoading Step = "loading"
	// StepSwapping: connections to the old database may be shut out, the
	// renames may have happened or not: the databases' oids say it.
	StepSwapping Step = "swapping"
	// stepReverting: a swap failed and is being undone.
	stepReverting Step = "reverting"
	// stepSwapped: everything is in its place; the old one is to be dropped.
	stepSwapped Step = "swapped"
)

// Journal is what the next run needs to know if this one is killed.
type Journal struct {
	Version int    `json:"version"`
	Step    Step   `json:"step"`
	Started string `json:"started_at"`

	// Target is the name the person chose, New the hidden one of the restored
	// database, Old what the replaced one is called from the swap on.
	Target string `json:"target"`
	New    string `json:"new"`
	NewOID uint32 `json:"new_oid,omitempty"`
	Old    string `json:"old"`
	// OldOID is 0 where nothing is replaced.
	OldOID     uint32 `json:"old_oid,omitempty"`
	OldAllowed bool   `json:"old_allowed_connections,omitempty"`
	KeepOld    bool   `json:"keep_old,omitempty"`
	// KeepFiles: there was a file store without a database.
	KeepFiles bool `json:"keep_files,omitempty"`

	// Filestore is the directory with the live file store, New and Old as its
	// entries. Live is the live one's name, Target where it is empty.
	Filestore   string `json:"filestore"`
	Live        string `json:"live,omitempty"`
	OdooStopped bool   `json:"odoo_stopped,omitempty"`

	// Path is the journal's own file.
	Path string `json:"-"`
	// Home is Filestore, opened; nil where it is not there. Made is New's file
	// store, nil in the run that recovers.
	Home *filestore.Home  `json:"-"`
	Made *filestore.Store `json:"-"`
}

// NewJournal gives a journal its place; nothing is written before Save or To.
func NewJournal(stateDir string, j Journal) *Journal {
	j.Version, j.Started = journal.Version, time.Now().UTC().Format(time.RFC3339)
	j.Path = filepath.Join(stateDir, journal.RestorePrefix+j.New+".json")
	return &j
}

// Save writes the journal durably: when it returns, the next run sees it.
func (j *Journal) Save() error {
	return journal.Save("restore", j.Path, j, nil)
}

// To writes down that the restore has come to a step.
func (j *Journal) To(s Step) error {
	j.Step = s
	return j.Save()
}

func (j *Journal) remove() error { return journal.Remove(j.Path) }

// LiveName is the live file store's name in Filestore.
func (j *Journal) LiveName() string { return cmp.Or(j.Live, j.Target) }

// At is the path of a name in Filestore, to show.
func (j *Journal) At(name string) string { return filepath.Join(j.Filestore, name) }

// Has says whether Filestore has an entry of that name.
func (j *Journal) Has(name string) (bool, error) {
	if j.Home == nil {
		return false, nil
	}
	return j.Home.Has(name)
}

func (j *Journal) removeFiles(ctx context.Context, name string) error {
	if j.Home == nil {
		return nil
	}
	return j.Home.Remove(ctx, name)
}

// openFiles opens the file stores of an interrupted run's journal.
func (j *Journal) openFiles(files filestore.Layout) error {
	home, err := files.Reopen(j.Target, j.Filestore, j.LiveName())
	if errors.Is(err, fs.ErrNotExist) && j.Step == StepLoading {
		return nil // it had not been made yet
	}
	if err != nil {
		return fmt.Errorf("file stores of the journal: %w", err)
	}
	j.Home = home
	return nil
}

// Close closes the file stores.
func (j *Journal) Close() {
	if j.Made != nil {
		j.Made.Close()
	}
	if j.Home != nil {
		j.Home.Close()
	}
}

// Journals reads what interrupted runs left behind.
func Journals(stateDir string) ([]*Journal, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*Journal
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), journal.RestorePrefix) || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(stateDir, e.Name())
		b, err := journal.Read(path)
		if err != nil {
			return nil, journal.Unreadable(path, err)
		}
		j := &Journal{Path: path}
		if err := jsonpos.Unmarshal(b, j); err != nil {
			return nil, journal.Unreadable(path, err)
		}
		if j.Version != journal.Version {
			return nil, journal.Unreadable(path, fmt.Errorf("version %d is not known to this odpm", j.Version))
		}
		for _, n := range []string{j.Target, j.New, j.Old, j.LiveName()} {
			if err := server.CheckName(n); err != nil {
				return nil, journal.Unreadable(path, err)
			}
		}
		if !strings.HasPrefix(j.New, server.HiddenPrefix) || j.New == j.Target || !filepath.IsAbs(j.Filestore) {
			return nil, journal.Unreadable(path, errors.New("it does not describe a restore"))
		}
		all = append(all, j)
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Started < all[k].Started })
	return all, nil
}
