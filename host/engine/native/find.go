package native

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
)

// NotFound says which binaries are missing and how to get them.
type NotFound struct {
	Program string
	Major   int
	Looked  []string
	// Named says what is wrong with the program in the directory that a person
	// named, "" where nobody named one.
	Named string
}

func (n *NotFound) Error() string {
	if n.Named != "" {
		return fmt.Sprintf("no %s of PostgreSQL %d: %s\nName the directory that contains it; without the setting, odpm searches PATH and the directories where packages put it", n.Program, n.Major, n.Named)
	}
	return fmt.Sprintf("no %s of PostgreSQL %d on this machine (searched: PATH, %s).\nInstall it (Debian: apt-get install postgresql-%d; Fedora: dnf install postgresql%d-server; Homebrew: brew install postgresql@%d), "+
		"name its directory in ODPM_PG_BINDIR, or use Docker: ODPM_RUNTIME=docker",
		n.Program, n.Major, strings.Join(n.Looked, ", "), n.Major, n.Major, n.Major)
}

// usual are the places where distributions keep a major's programs: Debian
// and Ubuntu, the PostgreSQL project's packages for Fedora and its kin,
// Homebrew on both of its prefixes and on Linux, Postgres.app.
func usual(major string) []string {
	return []string{
		"/usr/lib/postgresql/" + major + "/bin",
		"/usr/pgsql-" + major + "/bin",
		"/usr/lib64/pgsql/postgresql-" + major + "/bin",
		"/opt/homebrew/opt/postgresql@" + major + "/bin",
		"/usr/local/opt/postgresql@" + major + "/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@" + major + "/bin",
		"/Applications/Postgres.app/Contents/Versions/" + major + "/bin",
	}
}

// program finds a server program of exactly the wanted major; another one
// could not open the data. Where a person has named a directory, no other is
// looked into: which server runs would be a surprise.
func (e *Reader) program(ctx context.Context, name string) (string, error) {
	if e.o.BinDir != "" {
		return e.named(ctx, name)
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), usual(strconv.Itoa(e.o.Major))...) {
		path := filepath.Join(dir, name)
		if major, err := programMajor(ctx, path); err == nil && major == e.o.Major {
			return path, nil
		}
	}
	return "", e.missing(ctx, name, "")
}

// named is a server program in the directory that a person named.
func (e *Reader) named(ctx context.Context, name string) (string, error) {
	path := filepath.Join(e.o.BinDir, name)
	major, err := programMajor(ctx, path)
	switch {
	case err == nil && major == e.o.Major:
		return path, nil
	case err == nil:
		err = fmt.Errorf("%s is from PostgreSQL %d", path, major)
	}
	return "", e.missing(ctx, name, fmt.Sprintf("%s names %s, and %v", e.o.BinDirFrom, e.o.BinDir, err))
}

func (e *Reader) missing(ctx context.Context, name, named string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return &NotFound{Program: name, Major: e.o.Major, Looked: usual(strconv.Itoa(e.o.Major)), Named: named}
}

// client finds a client program for the server: of its own major, else the
// oldest newer one, since pg_dump refuses a server newer than itself. What
// packages have put beside the server comes before PATH: Debian's /usr/bin has a
// Perl script there, which takes longer to start than a small dump does.
func (e *Reader) client(ctx context.Context, name string) (string, error) {
	var dirs []string
	if e.o.BinDir != "" {
		dirs = append(dirs, e.o.BinDir)
	}
	dirs = append(dirs, usual(strconv.Itoa(e.o.Major))...)
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	for _, pattern := range usual("*") {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	var best string
	var oldest int
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		major, err := programMajor(ctx, path)
		switch {
		case err == nil && major == e.o.Major:
			return path, nil
		case err == nil && major > e.o.Major && (best == "" || major < oldest):
			best, oldest = path, major
		case dir == e.o.BinDir && !errors.Is(err, fs.ErrNotExist):
			// Not there is ordinary: packages have clients apart from the server.
			if err == nil {
				err = fmt.Errorf("%s is from PostgreSQL %d", path, major)
			}
			return "", e.missing(ctx, name, fmt.Sprintf("%s names %s, and %v", e.o.BinDirFrom, dir, err))
		}
	}
	if best == "" {
		return "", e.missing(ctx, name, "")
	}
	return best, nil
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// versionTime is what a program on PATH may take to say its version; what
// hangs is none of PostgreSQL's.
const versionTime = 30 * time.Second

// programMajor asks a program for its version; "psql (PostgreSQL) 15.18". The
// error says what is wrong with it: fs.ErrNotExist where there is none.
func programMajor(ctx context.Context, path string) (int, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return 0, wording.BadFile(path, err)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is %s, not a program", path, regular.Kind(info.Mode()))
	case info.Mode()&0o111 == 0:
		return 0, fmt.Errorf("%s is not executable", path)
	}
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	out := &wording.Tail{Max: 4 << 10}
	cmd.Stdout, cmd.WaitDelay = out, time.Second
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s --version fails: %w", path, err)
	}
	m := versionLine.FindStringSubmatch(out.String())
	if m == nil {
		return 0, fmt.Errorf("%s --version does not answer as PostgreSQL's programs do", path)
	}
	return strconv.Atoi(m[1])
}

// Available tells whether this machine has the major's server at all.
func (e *Reader) Available(ctx context.Context) error {
	_, err := e.program(ctx, "postgres")
	return err
}
