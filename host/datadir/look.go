package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Look reads path as this user may. imageMajor is the major that is meant to
// run on it (0: unknown); it decides which of two clusters under one parent
// is meant, nothing else.
func Look(path string, imageMajor int) Facts {
	f := Facts{Path: path, UID: -1, GID: -1}
	entries, err := os.ReadDir(path)
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
		f.UID, f.GID = owner(path)
		return f
	}
	f.UID, f.GID = owner(path)
	for _, dir := range candidates(path, imageMajor) {
		major, err := version(filepath.Join(path, dir))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			continue
		case errors.Is(err, fs.ErrPermission):
			f.ClusterDir, f.Reason = dir, "this user may not read it: "+reason(err)
			f.UID, f.GID = owner(filepath.Join(path, dir))
			return f
		case err != nil:
			f.State, f.ClusterDir, f.Reason = Other, dir, err.Error()
			return f
		}
		f.State, f.Major, f.ClusterDir = Initialised, major, dir
		f.UID, f.GID = owner(filepath.Join(path, dir))
		f.SystemIdentifier, _ = Identity(filepath.Join(path, dir))
		return f
	}
	f.State = Empty
	for _, e := range entries {
		if !Ignorable(e.Name()) {
			f.State, f.Reason = Other, fmt.Sprintf("it holds %q and no PG_VERSION", e.Name())
			break
		}
	}
	return f
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
func candidates(path string, imageMajor int) []string {
	out := []string{"."}
	if imageMajor >= 18 {
		out = append(out, filepath.Join(strconv.Itoa(imageMajor), "docker"))
	}
	found, _ := filepath.Glob(filepath.Join(escape(path), "[0-9]*", "docker"))
	for _, p := range found {
		if rel, err := filepath.Rel(path, p); err == nil && !(len(out) > 1 && out[1] == rel) {
			out = append(out, rel)
		}
	}
	return append(out, "data")
}

// escape keeps a path with glob characters literal.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// version reads PG_VERSION: digits and a line feed ("9.6" before 10).
func version(dir string) (int, error) {
	f, err := os.Open(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64))
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
		return 0, fmt.Errorf("PG_VERSION holds %q, a PostgreSQL version is wanted", clip(s))
	}
	return n, nil
}

// Identity reads system_identifier, the first eight bytes of
// global/pg_control, little-endian on every platform odpm runs on (measured
// against pg_controldata on 12 to 18). File copies share it.
func Identity(clusterDir string) (string, error) {
	f, err := os.Open(filepath.Join(clusterDir, "global", "pg_control"))
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

func owner(path string) (uid, gid int) {
	info, err := os.Stat(path)
	if err != nil {
		return -1, -1
	}
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
