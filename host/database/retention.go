package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// Keep says which backups stay. Each rule keeps archives of its own; what none
// keeps is removed. The zero value removes nothing.
type Keep struct {
	// Last is how many of the newest stay.
	Last int
	// Days, Weeks, Months and Years are of how many of them, as far as they have
	// a backup at all, the newest one stays.
	Days, Weeks, Months, Years int
}

// Any tells whether anything is to be removed.
func (k Keep) Any() bool { return k != Keep{} }

var keepPart = regexp.MustCompile(`^([1-9][0-9]{0,3})([dwmy])$`)

// ParseKeep reads "7d,4w,12m".
func ParseKeep(text string) (k Keep, err error) {
	for _, part := range strings.Split(text, ",") {
		m := keepPart.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return Keep{}, fmt.Errorf("%q: expected numbers from 1 with d, w, m or y, separated by commas, such as 7d,4w,12m", part)
		}
		into := map[string]*int{"d": &k.Days, "w": &k.Weeks, "m": &k.Months, "y": &k.Years}[m[2]]
		if *into != 0 {
			return Keep{}, fmt.Errorf("%q: %s is given twice", text, m[2])
		}
		*into, _ = strconv.Atoi(m[1])
	}
	return k, nil
}

// removed gives what no rule keeps of archives, the newest of which stands last.
func (k Keep) removed(archives []receipts.Receipt) []receipts.Receipt {
	type period struct {
		left int
		name func(time.Time) string
		seen map[string]bool
	}
	periods := []period{
		{k.Days, func(t time.Time) string { return t.Format(time.DateOnly) }, map[string]bool{}},
		{k.Weeks, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }, map[string]bool{}},
		{k.Months, func(t time.Time) string { return t.Format("2006-01") }, map[string]bool{}},
		{k.Years, func(t time.Time) string { return t.Format("2006") }, map[string]bool{}},
	}
	last := k.Last
	var gone []receipts.Receipt
	for _, a := range slices.Backward(archives) {
		stays := last > 0
		last--
		for i := range periods {
			p := &periods[i]
			if name := p.name(a.At.Local()); p.left > 0 && !p.seen[name] {
				p.seen[name], stays = true, true
				p.left--
			}
		}
		if !stays {
			gone = append(gone, a)
		}
	}
	slices.Reverse(gone)
	return gone
}

// datedName is what DefaultFile makes; a name that a person has chosen is one
// that he wants to keep.
var datedName = regexp.MustCompile(`_[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}\.(zip|dump)$`)

// prune removes the archives of a database that no rule keeps: those that odpm
// itself has made, under dated names, in the directory of the newest one, and
// that have not changed since. The newest stays, and the last one that a
// rehearsal has proven. While a receipt cannot be read it removes none: that
// one may be the proof. Archives with all of the attachments' files, with some and with
// none are counted apart: while a file store is not where odpm looks for it, or has lost
// files, no new archive may take the place of one that has them. It gives their paths.
func prune(stateDir string, newest, database string, k Keep, say func(format string, args ...any)) (removed []string, err error) {
	all, unread := receipts.All(stateDir)
	if len(unread) > 0 {
		return nil, fmt.Errorf("a receipt in %s cannot be read, and it may be that of the last backup proven restorable: %w\nCorrect it, or remove that file if you do not need it", filepath.Join(stateDir, "receipts"), unread[0])
	}
	var ours []receipts.Receipt
	for _, r := range all {
		base, dated := strings.CutPrefix(filepath.Base(r.Archive), database)
		if r.Kind == receipts.Backup && r.Database == database && filepath.Dir(r.Archive) == filepath.Dir(newest) && dated && datedName.FindString(base) == base && r.There() {
			ours = append(ours, r)
		}
	}
	var proofs []*receipts.Receipt
	for _, some := range byLack(all) {
		if proof := receipts.Proofs(some)[database].LastProven; proof != nil {
			proofs = append(proofs, proof)
		}
	}
	var gone []receipts.Receipt
	for _, some := range byLack(ours) {
		gone = append(gone, k.removed(some)...)
	}
	slices.SortFunc(gone, func(a, b receipts.Receipt) int { return a.At.Compare(b.At) })
	var errs []error
	for _, r := range gone {
		switch {
		case r.Archive == newest:
			continue
		// A rehearsal may have been given another path of it, through a link or a mount.
		case slices.ContainsFunc(proofs, func(p *receipts.Receipt) bool { return world.SameFile(p.Archive, r.Archive) }):
			say("odpm: kept %s: it is the last backup of %s that was proven restorable", ui.Clean(r.Archive), ui.Clean(database))
			continue
		}
		if err := os.Remove(r.Archive); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, r.Archive)
		say("odpm: removed %s, %s", ui.Clean(r.Archive), ui.Bytes(r.Bytes))
		errs = append(errs, r.Remove())
	}
	return removed, errors.Join(errs...)
}

// byLack sorts archives by whether they lack files.
func byLack(all []receipts.Receipt) map[receipts.Lack][]receipts.Receipt {
	out := map[receipts.Lack][]receipts.Receipt{}
	for _, r := range all {
		out[r.Lacks()] = append(out[r.Lacks()], r)
	}
	return out
}
