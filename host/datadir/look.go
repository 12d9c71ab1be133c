package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// someEntries are enough of a directory's names to say what it is. A container
// may have made any number of them.
const someEntries = 1000

// Look reads path as this user may. imageMajor is the major that is meant to
// run on it (0: unknown); it decides which of two clusters under one parent
// is meant, nothing else. What lies in path a container may have put there.
func Look(path string, imageMajor int) Facts {
	f := Facts{Path: path, UID: -1, GID: -1}
	entries, root, err := list(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.State = Missing
		return f
	case errors.Is(err, syscall.ENOTDIR):
		f.State, f.Reason = Other, "it is not a directory"
		return f
	case err != nil:
		// PostgreSQL keeps its directory 0700 for its own uid: the normal case
		// with the official image, and no reason to think it empty.
		f.Reason = "this user may not read it: " + reason(err)
		if info, err := os.Stat(path); err == nil {
			f.UID, f.GID = owner(info)
		}
		return f
	}
	defer root.Close()
	own := func(dir string) (uid, gid int) {
		info, err := root.Stat(dir)
		if err != nil {
			return -1, -1
		}
		return owner(info)
	}
	f.UID, f.GID = own(".")
	switch dir, major, err := find(root, entries, imageMajor); {
	case dir == "":
	case errors.Is(err, fs.ErrPermission):
		f.ClusterDir, f.Reason = dir, "this user may not read it: "+reason(err)
		f.UID, f.GID = own(dir)
		return f
	case err != nil:
		f.State, f.ClusterDir, f.Reason = Other, dir, err.Error()
		return f
	default:
		f.State, f.Major, f.ClusterDir = Initialised, major, dir
		f.UID, f.GID = own(dir)
		f.SystemIdentifier, _ = identity(root, dir)
		if why := unfinished(root, dir); why != "" {
			f.State, f.Reason = Unfinished, why
		}
		return f
	}
	for _, dir := range candidates(entries, imageMajor) {
		if names, err := below(root, dir); err == nil && Begun(names) {
			f.State, f.Reason = Unfinished, NoVersion
			return f
		}
	}
	f.State = Empty
	for _, name := range entries {
		if !Ignorable(name) {
			f.State, f.Reason = Other, fmt.Sprintf("it contains %q but no PG_VERSION", name)
			break
		}
	}
	return f
}

// ClusterDir is Look's, "" where there is none. It reads no more than it takes to
// find the cluster: Look lists the databases' directories too, and each session asks
// this, hundreds of times for a list of hundreds of databases.
func ClusterDir(path string, imageMajor int) string {
	entries, root, err := list(path)
	if err != nil {
		return ""
	}
	defer root.Close()
	dir, _, _ := find(root, entries, imageMajor)
	return dir
}

// find gives the directory in which PG_VERSION is and what it says; dir is ""
// where there is no such file, and err says why one that is there is none.
func find(root *os.Root, entries []string, imageMajor int) (dir string, major int, err error) {
	for _, dir := range candidates(entries, imageMajor) {
		major, err := version(root, dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		return dir, major, err
	}
	return "", 0, nil
}

// below gives the names in a directory, or some of them. A pipe in its place is not
// waited for.
func below(root *os.Root, dir string) ([]string, error) {
	d, err := root.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(someEntries)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// list opens a directory and gives its names, sorted, or some of them.
func list(path string) ([]string, *os.Root, error) {
	root, err := regular.OpenRoot(path)
	if err != nil {
		return nil, nil, err
	}
	d, err := root.Open(".")
	if err == nil {
		defer d.Close()
		var names []string
		if names, err = d.Readdirnames(someEntries); err == nil || errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, root, nil
		}
	}
	root.Close()
	return nil, nil, err
}

// Ignorable are names that a file system or a version control puts into a
// directory that is otherwise empty.
func Ignorable(name string) bool {
	return name == "lost+found" || name == ".gitignore" || name == ".gitkeep" || name == ".keep" || name == ".DS_Store"
}

// candidates are the places of a cluster below a mounted path, in the order
// in which they are believed: the mount itself (images up to 17), the wanted
// major's directory and any other major's (18 and later, the parent is
// mounted), and "data" (an image up to 17 whose parent was mounted).
func candidates(entries []string, imageMajor int) []string {
	out := []string{"."}
	if imageMajor >= 18 {
		out = append(out, filepath.Join(strconv.Itoa(imageMajor), "docker"))
	}
	for _, name := range entries {
		if dir := filepath.Join(name, "docker"); name[0] >= '0' && name[0] <= '9' && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return append(out, "data")
}

// version reads PG_VERSION: digits and a line feed ("9.6" before 10).
func version(root *os.Root, dir string) (int, error) {
	b, err := regular.ReadIn(root, filepath.Join(dir, "PG_VERSION"), 64)
	if err != nil {
		return 0, err
	}
	return ParseVersion(string(b))
}

// ParseVersion reads the content of a PG_VERSION.
func ParseVersion(s string) (int, error) {
	word, _, _ := strings.Cut(strings.TrimSpace(s), ".")
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > 999 {
		return 0, fmt.Errorf("PG_VERSION holds %q, expected a PostgreSQL version", clip(s))
	}
	return n, nil
}

// Identity reads system_identifier, the first eight bytes of
// global/pg_control, little-endian on every platform odpm runs on (measured
// against pg_controldata on 12 to 18). File copies share it.
func Identity(clusterDir string) (string, error) {
	root, err := regular.OpenRoot(clusterDir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return identity(root, ".")
}

func identity(root *os.Root, dir string) (string, error) {
	f, err := regular.OpenIn(root, filepath.Join(dir, "global", "pg_control"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b [8]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return "", err
	}
	return ParseIdentity(b[:]), nil
}

// ReadFile reads a file of a cluster's directory, in which the server's
// container writes: a regular one of at most limit bytes, no link.
func ReadFile(clusterDir, name string, limit int64) ([]byte, error) {
	root, err := regular.OpenRoot(clusterDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := regular.ReadIn(root, name, limit)
	if errors.Is(err, regular.ErrNotRegular) {
		path := filepath.Join(clusterDir, name)
		return nil, fmt.Errorf("%s cannot be read (%w), and PostgreSQL never creates it like that. To see who did: ls -l %s", path, err, shell.Quote(path))
	}
	return data, err
}

// ParseIdentity reads the first bytes of a pg_control.
func ParseIdentity(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	if n := binary.LittleEndian.Uint64(b); n != 0 {
		return strconv.FormatUint(n, 10)
	}
	return ""
}

func owner(info fs.FileInfo) (uid, gid int) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(st.Uid), int(st.Gid)
}

func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func clip(s string) string {
	if len(s) > 20 {
		s = s[:20] + "…"
	}
	return s
}
