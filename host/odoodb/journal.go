package odoodb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// step is how far a restore has got.
type step string

const (
	// stepLoading: the new database and file store are being made; the old
	// ones are as they were.
	stepLoading step = "loading"
	// stepSwapping: connections to the old database may be shut out, the
	// renames may have happened or not: the databases' oids say it.
	stepSwapping step = "swapping"
	// stepReverting: a swap failed and is being undone.
	stepReverting step = "reverting"
	// stepSwapped: everything is in its place; the old one is to be dropped.
	stepSwapped step = "swapped"
)

// journal is what the next run needs to know if this one is killed.
type journal struct {
	Version int    `json:"version"`
	Step    step   `json:"step"`
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

	// Filestore is the directory with Target, New and Old as its entries.
	Filestore   string `json:"filestore"`
	OdooStopped bool   `json:"odoo_stopped,omitempty"`

	path string
}

// unfinishedPrefix starts the names of journals that are being written; the
// rename takes the name away.
const unfinishedPrefix = ".journal-"

// removeUnfinished removes what a kill left between a journal's first byte and
// its rename. The caller's lock says that nobody is writing one now. What
// cannot be removed does no harm.
func removeUnfinished(stateDir string) {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinishedPrefix) {
			_ = os.Remove(filepath.Join(stateDir, e.Name()))
		}
	}
}

const (
	journalVersion = 1
	journalPrefix  = "restore-"
)

func newJournal(stateDir string, j journal) *journal {
	j.Version, j.Started = journalVersion, time.Now().UTC().Format(time.RFC3339)
	j.path = filepath.Join(stateDir, journalPrefix+j.New+".json")
	return &j
}

// save writes the journal durably: when it returns, the next run sees it.
func (j *journal) save() error {
	dir := filepath.Dir(j.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("journal of the restore: %w", err)
	}
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, unfinishedPrefix+"*")
	if err != nil {
		return fmt.Errorf("journal of the restore: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(b, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), j.path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("journal of the restore: %w", err)
	}
	return nil
}

func (j *journal) to(s step) error {
	j.Step = s
	return j.save()
}

func (j *journal) remove() error {
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(j.path))
}

func (j *journal) live() string   { return filepath.Join(j.Filestore, j.Target) }
func (j *journal) fresh() string  { return filepath.Join(j.Filestore, j.New) }
func (j *journal) former() string { return filepath.Join(j.Filestore, j.Old) }

// journalError is a journal that cannot be read: guessing would be worse.
type journalError struct {
	path string
	err  error
}

func (e *journalError) Error() string {
	return fmt.Sprintf("the journal of an interrupted run cannot be read: %s: %v; look at the databases named odpm_… with odpm database list, then move the file away", e.path, e.err)
}
func (e *journalError) Unwrap() error { return e.err }

// journals reads what interrupted runs left behind.
func journals(stateDir string) ([]*journal, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*journal
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), journalPrefix) || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(stateDir, e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, &journalError{path, err}
		}
		j := &journal{path: path}
		if err := json.Unmarshal(b, j); err != nil {
			return nil, &journalError{path, err}
		}
		if j.Version != journalVersion {
			return nil, &journalError{path, fmt.Errorf("version %d is not known to this odpm", j.Version)}
		}
		for _, n := range []string{j.Target, j.New, j.Old} {
			if err := checkName(n); err != nil {
				return nil, &journalError{path, err}
			}
		}
		if !strings.HasPrefix(j.New, hiddenPrefix) || j.New == j.Target || !filepath.IsAbs(j.Filestore) {
			return nil, &journalError{path, errors.New("it does not describe a restore")}
		}
		all = append(all, j)
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Started < all[k].Started })
	return all, nil
}

// hiddenPrefix starts the names of databases that odpm makes for itself.
const hiddenPrefix = "odpm_"

// syncDir makes renames in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
