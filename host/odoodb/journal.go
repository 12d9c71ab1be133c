package odoodb

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/shell"
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

	// Filestore is the directory with the live file store, New and Old as its
	// entries. Live is the live one's name, Target where it is empty.
	Filestore   string `json:"filestore"`
	Live        string `json:"live,omitempty"`
	OdooStopped bool   `json:"odoo_stopped,omitempty"`

	path string
	// home is Filestore, opened; nil where it is not there. made is New's file
	// store, nil in the run that recovers.
	home *filestore.Home
	made *filestore.Store
}

// removeUnfinished removes what a kill left between a journal's first byte and
// its name: shared/durable's temporary files, and those of odpm before it wrote
// journals with that. One that somebody has locked is of a backup that begins.
// What cannot be removed does no harm.
func removeUnfinished(stateDir string) {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !unfinishedName.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(stateDir, e.Name())
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
		if ok, err := lock.TryLock(); err == nil && ok {
			_ = os.Remove(path)
		}
		_ = lock.Close()
	}
}

var unfinishedName = regexp.MustCompile(`^\.(journal-|` + journalPrefix + `|` + backupPrefix + `|` + dropPrefix + `)`)

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
	return saveJournal("restore", j.path, j, nil)
}

// saveJournal writes a journal of what ("restore", "backup", "drop").
func saveJournal(what, path string, content any, hold func(tmp string) error) error {
	b, err := json.MarshalIndent(content, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.WriteFileHeld(path, append(b, '\n'), 0o600, hold)
	}
	if err != nil {
		return fmt.Errorf("journal of the %s: %w", what, err)
	}
	return nil
}

func (j *journal) to(s step) error {
	j.Step = s
	return j.save()
}

func (j *journal) remove() error { return removeJournal(j.path) }

// removeJournal removes it durably: work that is done must not be recovered from
// once more.
func removeJournal(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// live is the live file store's name in Filestore.
func (j *journal) live() string { return cmp.Or(j.Live, j.Target) }

// at is the path of a name in Filestore, to show.
func (j *journal) at(name string) string { return filepath.Join(j.Filestore, name) }

func (j *journal) has(name string) (bool, error) {
	if j.home == nil {
		return false, nil
	}
	return j.home.Has(name)
}

func (j *journal) removeFiles(ctx context.Context, name string) error {
	if j.home == nil {
		return nil
	}
	return j.home.Remove(ctx, name)
}

// openFiles opens the file stores of an interrupted run's journal.
func (j *journal) openFiles(files filestore.Layout) error {
	home, err := files.Reopen(j.Target, j.Filestore, j.live())
	if errors.Is(err, fs.ErrNotExist) && j.Step == stepLoading {
		return nil // it had not been made yet
	}
	if err != nil {
		return fmt.Errorf("file stores of the journal: %w", err)
	}
	j.home = home
	return nil
}

func (j *journal) close() {
	if j.made != nil {
		j.made.Close()
	}
	if j.home != nil {
		j.home.Close()
	}
}

// journalError is a journal that cannot be read: guessing would be worse.
type journalError struct {
	path string
	err  error
}

func (e *journalError) Error() string {
	return fmt.Sprintf("the journal of an interrupted run cannot be read: %s: %v. See which databases named odpm_… are there: odpm database list. Then move the journal aside: %s",
		e.path, e.err, moveAside(e.path))
}

// moveAside is the command that takes a journal out of the way and keeps it.
func moveAside(path string) string {
	return "mv " + shell.Quote(path) + " " + shell.Quote(path+".unreadable")
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
		for _, n := range []string{j.Target, j.New, j.Old, j.live()} {
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
