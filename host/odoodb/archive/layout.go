package archive

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// role is what a member is to a backup.
type role int

const (
	roleOther role = iota
	roleFolder
	roleDump
	// rolePart is a file of a dump that has several.
	rolePart
	roleManifest
	roleFile
)

// layout says where a backup's parts are among an archive's members.
type layout struct {
	dump, manifest, files string
}

var odooLayout = layout{dump: "dump.sql", manifest: "manifest.json", files: "filestore/"}

// roleOf says what a member is, and a file's name in the file store.
func (a *Archive) roleOf(m member) (rel string, r role, err error) {
	name, err := cleanName(m.name)
	switch {
	case err != nil && strings.HasPrefix(m.name, "/") && a.Format != Folder:
		// tar -P writes them; tar and unzip take the slash away.
		return "", 0, a.refuse("%v; unpack it, which makes the paths relative, and name the folder: %s", err, a.unpackAll())
	case err != nil:
		return "", 0, a.refuse("%v", err)
	case m.packedAs != "":
		return "", 0, a.refuse("contains %q as %s, which odpm does not read; unpack it, and name the folder: %s", short(name), m.packedAs, a.unpackAll())
	case m.mode.IsDir():
		return name, roleFolder, nil
	case m.mode&os.ModeSymlink != 0:
		return "", 0, a.refuse("contains %q, which is a symbolic link; Odoo's backups contain only files", short(name))
	case !m.mode.IsRegular():
		return "", 0, a.refuse("contains %q, which is a special file; Odoo's backups contain only files", short(name))
	case name == a.layout.dump:
		return name, roleDump, nil
	case name == a.layout.manifest:
		return name, roleManifest, nil
	case a.layout.isPart(name):
		return name, rolePart, nil
	}
	if rel, ok := strings.CutPrefix(name, a.layout.files); ok && !hidden(name) {
		return rel, roleFile, nil
	}
	return name, roleOther, nil
}

// survey looks at every member once and at no content.
func (a *Archive) survey() error {
	s := surveyor{a: a, names: NewNameSet(), folded: NewNameSet(), folders: map[uint64]bool{}}
	s.folded.seed = s.names.seed
	if err := a.src.each(s.member); err != nil {
		return a.damaged(err)
	}
	a.names = s.files
	if h, found := s.names.twice(); found {
		return a.twice(s.name(h))
	}
	for h := range s.folders {
		if _, found := slices.BinarySearch(s.names.hashes, h); found {
			return a.refuse("contains %s as a file and as a directory", s.name(h))
		}
	}
	if h, found := s.folded.twice(); found {
		a.warn("%s is in it in both upper and lower case, and macOS and Windows can keep only one of them", s.lower(h))
	}
	for _, h := range s.folded.hashes {
		if _, found := slices.BinarySearch(s.names.hashes, h); found {
			a.warn("%s is in it in both upper and lower case, and macOS and Windows can keep only one of them", s.lower(h))
			break
		}
	}
	a.names.Sort()
	return nil
}

// twice: in a tar the later one counts, and unzip asks which.
func (a *Archive) twice(name string) error {
	if a.Format == Tar {
		return a.refuse("contains %s twice; unpack it, so that the later one stays, and name the folder: %s", name, a.unpackAll())
	}
	return a.refuse("contains %s twice; make the backup again", name)
}

type surveyor struct {
	a *Archive
	// names are all files, files those of the file store by their names in it,
	// folded the names with capitals, in small letters.
	names, files, folded *NameSet
	folders              map[uint64]bool
}

func (s *surveyor) member(m member) error {
	if s.files == nil {
		s.files = NewNameSet()
	}
	a := s.a
	rel, what, err := a.roleOf(m)
	if err != nil {
		return err
	}
	name, _ := cleanName(m.name)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		h := s.names.hash(dir)
		if s.folders[h] {
			break
		}
		s.folders[h] = true
	}
	if what == roleFolder {
		s.folders[s.names.hash(name)] = true
		if m.size > 0 {
			return a.refuse("contains the folder %q with %d bytes", short(name), m.size)
		}
	}
	if len(s.folders) > maxFolders {
		return a.refuse("contains more than %d folders, which is the limit; Odoo's file store has 256", maxFolders)
	}
	if what == roleFolder {
		return nil
	}
	s.names.add(name)
	if l := strings.ToLower(name); l != name {
		s.folded.add(l)
	}
	switch what {
	case roleDump, roleManifest:
		if t, ok := a.src.(tarSource); ok && !t.parallel() {
			m.open = t.again(m.name)
		}
		if what == roleManifest {
			a.manifest = &m
			return nil
		}
		a.dump = &m
	case rolePart:
		return a.addPart(name, m)
	case roleFile:
		s.files.Add(rel, m.size)
		a.Files++
		a.FilesSize += m.size
		if a.FilesSize < 0 {
			return a.refuse("claims an unpacked size that is too large to be real")
		}
	default:
		if a.OtherFiles++; len(a.Others) < 5 {
			a.Others = append(a.Others, name)
		}
	}
	return nil
}

// name finds the name that a hash is of.
func (s *surveyor) name(h uint64) string {
	return s.lookup(func(n string) bool { return s.names.hash(n) == h })
}

// lower finds a name that is h in small letters.
func (s *surveyor) lower(h uint64) string {
	return s.lookup(func(n string) bool { return s.names.hash(strings.ToLower(n)) == h })
}

func (s *surveyor) lookup(is func(string) bool) string {
	found := "a name"
	_ = s.a.src.each(func(m member) error {
		if n, err := cleanName(m.name); err == nil && is(n) {
			found = fmt.Sprintf("%q", short(n))
		}
		return nil
	})
	return found
}
