package database

import (
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

	// The rest is a rehearsal's.
	*Rehearsal `json:",omitempty"`

	path string
}

const (
	kindBackup    = "backup"
	kindRehearsal = "rehearsal"
	receiptsDir   = "receipts"
	// maxReceipt is far more than one has.
	maxReceipt = 1 << 20
)

// receipts reads them all, the oldest first. One that cannot be read counts for
// nothing.
func receipts(d state.Dirs) ([]Receipt, error) {
	dir := filepath.Join(d.State(), receiptsDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Receipt
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		r := Receipt{path: filepath.Join(dir, e.Name())}
		b, err := regular.Read(r.path, maxReceipt)
		if err != nil || json.Unmarshal(b, &r) != nil || r.Version != 1 {
			continue
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Receipt) int { return a.At.Compare(b.At) })
	return all, nil
}

// keep writes a receipt of an archive as it is now.
func (r Receipt) keep(d state.Dirs) error {
	info, err := os.Stat(r.Archive)
	if err != nil {
		return err
	}
	r.Version, r.Bytes, r.Modified = 1, info.Size(), info.ModTime().UnixNano()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(d.State(), receiptsDir)
	if err := state.EnsureDir(dir, 0o700); err != nil {
		return err
	}
	var id [4]byte
	_, _ = rand.Read(id[:])
	name := fmt.Sprintf("%s-%s-%s.json", r.Kind, r.At.UTC().Format("20060102T150405Z"), hex.EncodeToString(id[:]))
	return durable.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o600)
}

// there tells whether the archive is still the file that the receipt is about.
func (r Receipt) there() bool {
	info, err := os.Lstat(r.Archive)
	return err == nil && info.Mode().IsRegular() && info.Size() == r.Bytes && info.ModTime().UnixNano() == r.Modified
}

// Proof is what is remembered of a database's archives.
type Proof struct {
	// LastBackup is the newest archive that odpm made and that is still there,
	// LastProven the newest one that a rehearsal has restored; nil for none.
	LastBackup, LastProven *Receipt
}

// proofs gives that for every database. An archive that was rehearsed counts
// for the database that the archive is of.
func proofs(all []Receipt) map[string]Proof {
	out := map[string]Proof{}
	for i := range all {
		r := &all[i]
		p := out[r.Database]
		switch {
		case !r.there():
			continue
		case r.Kind == kindBackup:
			p.LastBackup = r
		case r.Kind == kindRehearsal && r.Rehearsal != nil && r.Proven && (p.LastProven == nil || r.Modified >= p.LastProven.Modified):
			p.LastProven = r
		}
		out[r.Database] = p
	}
	return out
}

// Rehearsal is what restoring an archive on trial has shown.
type Rehearsal struct {
	Proven bool `json:"proven"`
}
