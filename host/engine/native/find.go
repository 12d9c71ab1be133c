package native

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// NotFound says which binaries are missing and how to get them.
type NotFound struct {
	Program string
	Major   int
	Looked  []string
}

func (n *NotFound) Error() string {
	return fmt.Sprintf("no %s of PostgreSQL %d on this machine (looked on PATH and in %s).\nInstall it (Debian: apt-get install postgresql-%d; Fedora: dnf install postgresql%d-server; Homebrew: brew install postgresql@%d), "+
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

// search lists the directories to look into, best first.
func (e *Reader) search() []string {
	var dirs []string
	if e.o.BinDir != "" {
		dirs = append(dirs, e.o.BinDir)
	}
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	return append(dirs, usual(strconv.Itoa(e.o.Major))...)
}

// program finds a server program of exactly the wanted major; another one
// could not open the data.
func (e *Reader) program(ctx context.Context, name string) (string, error) {
	for _, dir := range e.search() {
		path := filepath.Join(dir, name)
		if major, ok := programMajor(ctx, path); ok && major == e.o.Major {
			return path, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return "", &NotFound{Program: name, Major: e.o.Major, Looked: usual(strconv.Itoa(e.o.Major))}
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
		major, ok := programMajor(ctx, path)
		switch {
		case ok && major == e.o.Major:
			return path, nil
		case ok && major > e.o.Major && (best == "" || major < oldest):
			best, oldest = path, major
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if best == "" {
		return "", &NotFound{Program: name, Major: e.o.Major, Looked: usual(strconv.Itoa(e.o.Major))}
	}
	return best, nil
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// versionTime is what a program on PATH may take to say its version; what
// hangs is none of PostgreSQL's.
const versionTime = 30 * time.Second

// programMajor asks a program for its version; "psql (PostgreSQL) 15.18".
func programMajor(ctx context.Context, path string) (int, bool) {
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	out := &wording.Tail{Max: 4 << 10}
	cmd.Stdout, cmd.WaitDelay = out, time.Second
	if cmd.Run() != nil {
		return 0, false
	}
	m := versionLine.FindStringSubmatch(out.String())
	if m == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(m[1])
	return n, true
}

// Available tells whether this machine has the major's server at all.
func (e *Reader) Available(ctx context.Context) error {
	_, err := e.program(ctx, "postgres")
	return err
}
