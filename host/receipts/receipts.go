// Package receipts remembers what odpm knows of a project's archives: those that
// it has made, and those that a rehearsal has restored.
package receipts

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/regular"
)

// Receipt is what odpm remembers of an archive, a file in .odpm/state/receipts/
// each. Without it nothing is lost but the memory: the archive is the person's.
type Receipt struct {
	Version int `json:"version"`
	// Kind is "backup" or "rehearsal".
	Kind string `json:"kind"`
	// Database is the one that was backed up, Archive the archive's absolute path.
	Database string `json:"database"`
	Archive  string `json:"archive"`
	// Bytes and Modified (nanoseconds since 1970) tell whether the file is still
	// the one that this is about.
	Bytes    int64 `json:"bytes"`
	Modified int64 `json:"modified_ns"`
	// At is when the archive was written, or rehearsed.
	At time.Time `json:"at"`
	// External is how many files its attachments have in storages such as s3://,
	// which are in no archive.
	External int `json:"external_files"`
	// DatabaseOnly: attachments have files, and the archive has none of them.
	DatabaseOnly bool `json:"database_only"`
	// MissingFiles is how many of the attachments' files the archive lacks.
	MissingFiles int `json:"missing_files"`

	// The rest is a rehearsal's.
	*Rehearsal `json:",omitempty"`

	path string
}

const (
	Backup    = "backup"
	Rehearsed = "rehearsal"
	dirName   = "receipts"
	version   = 1
	// maxReceipt is far more than one has.
	maxReceipt = 1 << 20
)

// All reads them, the oldest first. What cannot be read is among unread, an
// error each that names the file: the archive that it is about may be the last
// one that was proven, so whoever removes archives has to heed it.
func All(stateDir string) (all []Receipt, unread []error) {
	dir := filepath.Join(stateDir, dirName)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{err}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		r, err := read(filepath.Join(dir, e.Name()))
		if err != nil {
			unread = append(unread, err)
			continue
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Receipt) int { return a.At.Compare(b.At) })
	return all, unread
}

func read(path string) (Receipt, error) {
	r := Receipt{path: path}
	b, err := regular.Read(path, maxReceipt)
	if err != nil {
		return r, err
	}
	if err := jsonpos.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if r.Version != version {
		return r, fmt.Errorf("%s has version %d, and this odpm knows version %d", path, r.Version, version)
	}
	return r, nil
}

// Keep writes a receipt of an archive as it is now.
func (r *Receipt) Keep(stateDir string) error {
	info, err := os.Stat(r.Archive)
	if err != nil {
		return err
	}
	r.Version, r.Bytes, r.Modified = version, info.Size(), info.ModTime().UnixNano()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(stateDir, dirName)
	if err := state.EnsureDir(dir, 0o700); err != nil {
		return err
	}
	var id [4]byte
	_, _ = rand.Read(id[:])
	name := fmt.Sprintf("%s-%s-%s.json", r.Kind, r.At.UTC().Format("20060102T150405Z"), hex.EncodeToString(id[:]))
	return durable.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o600)
}

// Warnings says of each receipt that could not be read what that means.
func Warnings(unread []error) []string {
	var out []string
	for _, err := range unread {
		out = append(out, fmt.Sprintf("a receipt of a backup could not be read, so what it says does not count here: %v", err))
	}
	return out
}

// There tells whether the archive is still the file that the receipt is about.
func (r Receipt) There() bool {
	info, err := os.Lstat(r.Archive)
	return err == nil && info.Mode().IsRegular() && info.Size() == r.Bytes && info.ModTime().UnixNano() == r.Modified
}

// Proof is what is remembered of a database's archives.
type Proof struct {
	// LastBackup is the newest archive that odpm made and that is still there,
	// LastProven the newest one that a rehearsal has restored; nil for none.
	LastBackup, LastProven *Receipt
}

// String is for a person: "last backup 2026-01-31 18:30 · last proven restorable
// never"; "-" where nothing is remembered.
func (p Proof) String() string {
	if p.LastBackup == nil && p.LastProven == nil {
		return "-"
	}
	external := ""
	if p.LastBackup != nil && p.LastBackup.External > 0 {
		external = fmt.Sprintf(" (external files not in it: %d)", p.LastBackup.External)
	}
	return "last backup " + p.LastBackup.day() + external + " · last proven restorable " + p.LastProven.day()
}

func (r *Receipt) day() string {
	if r == nil {
		return "never"
	}
	day := r.At.Local().Format("2006-01-02 15:04")
	if r.DatabaseOnly {
		day += " (database only)"
	} else if r.MissingFiles > 0 {
		day += fmt.Sprintf(" (missing files: %d)", r.MissingFiles)
	}
	return day
}

// Brief is a receipt in a list, nil for none.
type Brief struct {
	Archive string    `json:"archive"`
	At      time.Time `json:"at"`
	// External and DatabaseOnly are the receipt's.
	External     int  `json:"external_files"`
	DatabaseOnly bool `json:"database_only"`
}

// Brief is for JSON.
func (r *Receipt) Brief() *Brief {
	if r == nil {
		return nil
	}
	return &Brief{r.Archive, r.At.UTC().Truncate(time.Second), r.External, r.DatabaseOnly}
}

// Newer is the later of two, nil for none.
func Newer(a, b *Receipt) *Receipt {
	if a == nil || b != nil && b.At.After(a.At) {
		return b
	}
	return a
}

// Proofs gives that for every database. An archive that was rehearsed counts
// for the database that the archive is of.
func Proofs(all []Receipt) map[string]Proof {
	out := map[string]Proof{}
	for i := range all {
		r := &all[i]
		p := out[r.Database]
		switch {
		case !r.There():
			continue
		case r.Kind == Backup:
			p.LastBackup = r
		case r.Kind == Rehearsed && r.Rehearsal != nil && r.Proven && (p.LastProven == nil || r.compareArchive(p.LastProven) >= 0):
			p.LastProven = r
		}
		out[r.Database] = p
	}
	return out
}

// Lack is what an archive has of the attachments' files.
type Lack int

const (
	LacksNone Lack = iota
	LacksSome
	LacksAll
)

// Lacks: a dump has no file store, also where the receipt is older than DatabaseOnly.
func (r Receipt) Lacks() Lack {
	switch {
	case r.DatabaseOnly || strings.HasSuffix(r.Archive, ".dump"):
		return LacksAll
	case r.MissingFiles > 0:
		return LacksSome
	}
	return LacksNone
}

// compareArchive orders two by the age of their archives. A file system keeps
// times in steps of some milliseconds, so that two archives can have the same;
// the names that odpm gives say when they were made, too.
func (r *Receipt) compareArchive(other *Receipt) int {
	return cmp.Or(cmp.Compare(r.Modified, other.Modified), cmp.Compare(filepath.Base(r.Archive), filepath.Base(other.Archive)), r.At.Compare(other.At))
}

// Remove forgets an archive.
func (r Receipt) Remove() error { return os.Remove(r.path) }

// Rehearsal is what restoring an archive on trial has shown.
type Rehearsal struct {
	Proven bool `json:"proven"`
	// Error is why it is not proven.
	Error string `json:"error,omitempty"`
	// SHA256 is the archive's.
	SHA256 string `json:"sha256,omitempty"`
	// ServerVersion is PostgreSQL's that it was restored into.
	ServerVersion string `json:"server_version,omitempty"`
	// MadeBy is the server's that was dumped.
	MadeBy string `json:"archive_server_version,omitempty"`
	// Extensions are "name version" of those in the restored database, Collation
	// its collation.
	Extensions []string `json:"extensions"`
	Collation  string   `json:"collation,omitempty"`
	Tables     int64    `json:"tables"`
	Rows       int64    `json:"rows"`
	// RowsCompared: they are as many as in the archive.
	RowsCompared bool `json:"rows_compared"`
	// Files were compared with their checksums, DamagedFiles are so in the archive.
	Files        int `json:"files"`
	DamagedFiles int `json:"damaged_files"`
	// WrongSizeFiles have a different size from what their attachments say.
	WrongSizeFiles int `json:"wrong_size_files"`
	// OdooRan: the project's Odoo has updated the module base in it.
	OdooRan     bool     `json:"odoo_ran"`
	Neutralized bool     `json:"neutralized"`
	StillActive any      `json:"still_active,omitempty"`
	LeftOut     []string `json:"left_out"`
	Warnings    []string `json:"warnings"`
	// Seconds is how long all of it took, Restored the restore alone.
	Seconds  float64 `json:"seconds"`
	Restored float64 `json:"restore_seconds"`
}
