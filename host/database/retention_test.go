package database

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/state"
)

func TestParseKeep(t *testing.T) {
	if k, err := ParseKeep("7d, 4w,12m,2y"); err != nil || k != (Keep{Days: 7, Weeks: 4, Months: 12, Years: 2}) {
		t.Errorf("%+v %v", k, err)
	}
	for _, bad := range []string{"", "7", "d", "0d", "7d,", "-1d", "7d,3d", "7h", "7 d", "99999d"} {
		if k, err := ParseKeep(bad); err == nil {
			t.Errorf("%q: %+v", bad, k)
		}
	}
}

// made writes an archive as a backup of that day does, with its receipt.
func made(t *testing.T, d state.Dirs, dir, database string, at time.Time) string {
	t.Helper()
	path := filepath.Join(dir, backup.DefaultFile(database, archive.Zip, at))
	if err := os.WriteFile(path, []byte(at.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file system keeps times in steps: all of them can have the same.
	if err := os.Chtimes(path, time.Time{}, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := (&receipts.Receipt{Kind: receipts.Backup, Database: database, Archive: path, At: at}).Keep(d.State()); err != nil {
		t.Fatal(err)
	}
	return path
}

// stay gives the names in a directory, shortened to days.
func stay(t *testing.T, dir, database string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		n := strings.TrimPrefix(strings.TrimSuffix(e.Name(), ".zip"), database+"_")
		names = append(names, strings.TrimSuffix(n, "_12-00-00"))
	}
	return names
}

func TestPrune(t *testing.T) {
	noon := func(y int, m time.Month, day int) time.Time { return time.Date(y, m, day, 12, 0, 0, 0, time.Local) }
	days := []time.Time{noon(2024, 12, 31), noon(2025, 11, 30), noon(2025, 12, 1), noon(2025, 12, 28), noon(2026, 1, 5), noon(2026, 1, 6), noon(2026, 1, 7), noon(2026, 1, 8)}
	for name, tt := range map[string]struct {
		keep Keep
		want []string
	}{
		"last":   {Keep{Last: 2}, []string{"2026-01-07", "2026-01-08"}},
		"days":   {Keep{Days: 3}, []string{"2026-01-06", "2026-01-07", "2026-01-08"}},
		"weeks":  {Keep{Weeks: 2}, []string{"2025-12-28", "2026-01-08"}},
		"months": {Keep{Months: 3}, []string{"2025-11-30", "2025-12-28", "2026-01-08"}},
		"years":  {Keep{Years: 9}, []string{"2024-12-31", "2025-12-28", "2026-01-08"}},
		"both":   {Keep{Last: 1, Days: 2, Weeks: 2}, []string{"2025-12-28", "2026-01-07", "2026-01-08"}},
	} {
		d, dir := state.NewDirs(t.TempDir()), t.TempDir()
		if err := d.Ensure(); err != nil {
			t.Fatal(err)
		}
		var newest string
		for _, day := range days {
			newest = made(t, d, dir, "prod", day)
		}
		var said []string
		if _, err := prune(d.State(), newest, "prod", tt.keep, func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) }); err != nil {
			t.Fatal(err)
		}
		if got := stay(t, dir, "prod"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v stay, not %v", name, got, tt.want)
		}
		if len(said) != len(days)-len(tt.want) || !strings.HasPrefix(said[0], "odpm: removed "+dir) {
			t.Errorf("%s: said %q", name, said)
		}
		if left, unread := receipts.All(d.State()); unread != nil || len(left) != len(tt.want) {
			t.Errorf("%s: %d receipts, %v", name, len(left), unread)
		}
	}
}

// What odpm did not make for this database stays, and the last proven one does.
func TestPruneSpares(t *testing.T) {
	d, dir := state.NewDirs(t.TempDir()), t.TempDir()
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.Local) }
	write := func(path, text string) string {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	spared := []string{
		write(filepath.Join(dir, "prod_2025-12-01_12-00-00.zip"), "somebody's"),
		made(t, d, dir, "prod_eu", day(1)),
		made(t, d, t.TempDir(), "prod", day(1)),
	}
	changed := made(t, d, dir, "prod", day(2))
	write(changed, "exchanged since then")
	named := write(filepath.Join(dir, "before-update.zip"), "x")
	if err := (&receipts.Receipt{Kind: receipts.Backup, Database: "prod", Archive: named, At: day(2)}).Keep(d.State()); err != nil {
		t.Fatal(err)
	}
	old, proven, newest := made(t, d, dir, "prod", day(3)), made(t, d, dir, "prod", day(4)), made(t, d, dir, "prod", day(5))
	for archive, at := range map[string]time.Time{old: day(7), proven: day(6)} {
		if err := (&receipts.Receipt{Kind: receipts.Rehearsed, Database: "prod", Archive: archive, At: at, Rehearsal: &receipts.Rehearsal{Proven: true}}).Keep(d.State()); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&receipts.Receipt{Kind: receipts.Rehearsed, Database: "prod", Archive: newest, At: day(7), Rehearsal: &receipts.Rehearsal{}}).Keep(d.State()); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if _, err := prune(d.State(), newest, "prod", Keep{Last: 1}, func(f string, a ...any) { fmt.Fprintf(&said, f+"\n", a...) }); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(spared, changed, named, proven, newest) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", old, err)
	}
	if !strings.Contains(said.String(), "removed "+old) || !strings.Contains(said.String(), "kept "+proven) {
		t.Errorf("said %s", said.String())
	}
}

// A rehearsal was given another path of the archive, as where BACKUP_DIR is a link.
func TestPruneSparesByAnotherPath(t *testing.T) {
	d, dir := state.NewDirs(t.TempDir()), t.TempDir()
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.Local) }
	proven, newest := made(t, d, dir, "prod", day(1)), made(t, d, dir, "prod", day(2))
	link := filepath.Join(t.TempDir(), "backups")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := (&receipts.Receipt{Kind: receipts.Rehearsed, Database: "prod", Archive: filepath.Join(link, filepath.Base(proven)), At: day(3), Rehearsal: &receipts.Rehearsal{Proven: true}}).Keep(d.State()); err != nil {
		t.Fatal(err)
	}
	if _, err := prune(d.State(), newest, "prod", Keep{Last: 1}, t.Logf); err != nil {
		t.Fatal(err)
	}
	if got, want := stay(t, dir, "prod"), []string{"2026-01-01", "2026-01-02"}; !slices.Equal(got, want) {
		t.Errorf("%v stay, not %v", got, want)
	}
}

// Archives without files, or with some of them missing, take the place of none that has
// them: a file store that is not mounted for a week would cost all of them.
func TestPruneWithoutFiles(t *testing.T) {
	d, dir := state.NewDirs(t.TempDir()), t.TempDir()
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	keep := func(r receipts.Receipt) {
		t.Helper()
		r.Database = "prod"
		if err := r.Keep(d.State()); err != nil {
			t.Fatal(err)
		}
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.Local) }
	var newest string
	for n := 1; n <= 12; n++ {
		if n <= 4 {
			newest = made(t, d, dir, "prod", day(n))
		} else {
			newest = filepath.Join(dir, backup.DefaultFile("prod", archive.Zip, day(n)))
			if err := os.WriteFile(newest, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			keep(receipts.Receipt{Kind: receipts.Backup, Archive: newest, At: day(n), DatabaseOnly: n <= 8, MissingFiles: 9 - n%2})
		}
		if n == 1 || n == 6 || n == 9 {
			keep(receipts.Receipt{Kind: receipts.Rehearsed, Archive: newest, At: day(n), DatabaseOnly: n == 6, MissingFiles: n / 6, Rehearsal: &receipts.Rehearsal{Proven: true}})
		}
	}
	if _, err := prune(d.State(), newest, "prod", Keep{Last: 1, Days: 1}, t.Logf); err != nil {
		t.Fatal(err)
	}
	if got, want := stay(t, dir, "prod"), []string{"2026-01-01", "2026-01-04", "2026-01-06", "2026-01-08", "2026-01-09", "2026-01-12"}; !slices.Equal(got, want) {
		t.Errorf("%v stay, not %v", got, want)
	}
}

// The receipt of a rehearsal that cannot be read may be the one of the last
// proven backup: nothing is removed before a person has looked.
func TestPruneUnreadReceipt(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.Local) }
	for name, tt := range map[string]struct{ text, says string }{
		"cut":         {`{"version": 1, "kind": "rehe`, "line 1, column 29"},
		"empty":       {"", "the file is empty"},
		"of tomorrow": {`{"version": 2, "kind": "rehearsal"}`, "has version 2, and this odpm knows version 1"},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := state.NewDirs(t.TempDir()), t.TempDir()
			if err := d.Ensure(); err != nil {
				t.Fatal(err)
			}
			made(t, d, dir, "prod", day(1))
			newest := made(t, d, dir, "prod", day(2))
			path := filepath.Join(d.State(), "receipts", "rehearsal-20260101T130000Z-00000000.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := prune(d.State(), newest, "prod", Keep{Last: 1}, t.Logf)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
			if got := stay(t, dir, "prod"); len(got) != 2 {
				t.Errorf("%v stay", got)
			}
			all, unread := receipts.All(d.State())
			if len(all) != 2 || len(unread) != 1 {
				t.Errorf("%d read, unread %v", len(all), unread)
			}
		})
	}
}
