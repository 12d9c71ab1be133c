package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/odpm/odpm/shared/shell"
)

// initdb makes the directories first, then PG_VERSION, some time later
// global/pg_control, and the databases template0 and postgres at its end
// (src/bin/initdb/initdb.c). The official image takes the PG_VERSION for a
// cluster, and its server cannot start, ever.
const (
	// NoVersion is an initdb within its first moments.
	NoVersion   = "an initdb was interrupted here, or is at work: there are its directories but no PG_VERSION yet"
	noControl   = "an initdb was interrupted here: there is a PG_VERSION but no global/pg_control"
	noDatabases = "an initdb was interrupted here: template0 or postgres was not made yet"
)

// ofInitdb is how many directories of databases a finished initdb leaves below
// base: template1, template0, postgres.
const ofInitdb = 3

// InitdbNames are those of the directories that initdb makes before PG_VERSION, as an
// expression of the whole name. pg_wal is the first of them.
const InitdbNames = `base|global|pg_[a-z_]+`

var initdbName = regexp.MustCompile(`^(?:` + InitdbNames + `)$`)

// Begun says whether a directory without PG_VERSION holds what initdb makes first, and
// nothing else.
func Begun(names []string) bool {
	return slices.Contains(names, "pg_wal") && !slices.ContainsFunc(names, func(name string) bool { return !initdbName.MatchString(name) && !Ignorable(name) })
}

// UnfinishedReason says why a directory with a PG_VERSION holds what an
// interrupted initdb left, "" where it holds a cluster. control tells whether
// global/pg_control is there, databases counts the directories below base.
func UnfinishedReason(control bool, databases int) string {
	switch {
	case !control:
		return noControl
	case databases < ofInitdb:
		return noDatabases
	}
	return ""
}

func unfinished(root *os.Root, dir string) string {
	// Both directories are there before PG_VERSION is: a directory without them
	// is no initdb's.
	n, err := Databases(root, dir, 0)
	if err != nil {
		return ""
	}
	if info, err := root.Stat(filepath.Join(dir, "global")); err != nil || !info.IsDir() {
		return ""
	}
	_, err = root.Stat(filepath.Join(dir, "global", "pg_control"))
	return UnfinishedReason(!errors.Is(err, fs.ErrNotExist), n)
}

// Databases counts the directories of databases below base, or some of them:
// those of an oid from the given one on.
func Databases(root *os.Root, dir string, from int) (n int, err error) {
	names, err := below(root, filepath.Join(dir, "base"))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if oid, err := strconv.Atoi(name); err == nil && oid >= from {
			n++
		}
	}
	return n, nil
}

// UnfinishedProblem says what to do about an Unfinished directory.
func (f Facts) UnfinishedProblem() string {
	dir := filepath.Join(f.Path, f.ClusterDir)
	return fmt.Sprintf("the data directory %s holds no cluster: %s. PostgreSQL never ran on it. Move it aside, and the next run makes a new cluster: sudo mv %s %s",
		f.Path, f.Reason, shell.Quote(dir), shell.Quote(dir+".unfinished"))
}
