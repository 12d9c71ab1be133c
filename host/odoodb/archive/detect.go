package archive

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/shared/shell"
)

// storedName is a file of a file store, after its root: ab/abcdef….
var storedName = regexp.MustCompile(`^(.*/|)([0-9a-f]{2})/([0-9a-f]{40})$`)

// detector finds the layout of an archive: Odoo's own, the same below a folder,
// odoo.sh's (NAME_daily.sql.gz beside NAME_daily/home/odoo/data/filestore/NAME/),
// those of other tools that name the dump or the file store their own way.
type detector struct {
	// roleOf is the survey's judgement of a member.
	roleOf func(member) (string, role, error)
	// dumps are what may be the dump, stores the roots of file stores, with how
	// many files each has.
	dumps  []string
	stores map[string]int
	// contents are pg_dump's toc.dat: the dump is in its directory or tar format.
	contents []string
	// manifests are Odoo's, in whatever case.
	manifests []string
	// cluster: there is a whole server's data directory.
	cluster bool
	// packed are members that are archives themselves.
	packed []string
	// refused is the first member that is refused for what it is.
	refused error
}

// clusterFile is in every data directory of PostgreSQL's.
const clusterFile = "global/pg_control"

// maxStores is more databases than anybody puts into one archive.
const maxStores = 100

func (d *detector) member(m member) error {
	name, err := cleanName(m.name)
	if err != nil || m.mode != 0 {
		if _, _, err := d.roleOf(m); err != nil && d.refused == nil {
			d.refused = err // said by the survey, if it comes to that
		}
		return nil
	}
	if hidden(name) {
		return nil
	}
	if s := storedName.FindStringSubmatch(name); s != nil && s[2] == s[3][:2] {
		if root := s[1]; !strings.HasSuffix(root, "checklist/") && (d.stores[root] > 0 || len(d.stores) < maxStores) {
			d.stores[root]++
		}
		return nil
	}
	lower := strings.ToLower(path.Base(name))
	if name == clusterFile || strings.HasSuffix(name, "/"+clusterFile) {
		d.cluster = true
	}
	if lower == contentsFile && len(d.contents) < maxStores {
		d.contents = append(d.contents, name)
		return nil
	}
	if lower == odooLayout.manifest && len(d.manifests) < maxStores {
		d.manifests = append(d.manifests, name)
		return nil
	}
	if len(d.dumps) < maxStores && !strings.Contains("/"+name, "/filestore/") &&
		(strings.HasSuffix(lower, ".sql") || strings.HasSuffix(lower, ".sql.gz") || strings.HasSuffix(lower, ".dump")) {
		d.dumps = append(d.dumps, name)
		return nil
	}
	if len(d.packed) < maxStores && slices.ContainsFunc(packedSuffixes, func(s string) bool { return strings.HasSuffix(lower, s) }) {
		d.packed = append(d.packed, name)
	}
	return nil
}

var packedSuffixes = []string{".zip", ".tar", ".gz", ".tgz", ".xz", ".zst", ".bz2", ".lz4", ".7z", ".rar"}

// manifest is the one in a directory: as Odoo writes its name or, where there is none,
// in capitals, as some programs of Windows and of CD-ROMs keep names.
func (d *detector) manifest(dir string) string {
	name := path.Join(dir, odooLayout.manifest)
	if !slices.Contains(d.manifests, name) {
		for _, m := range d.manifests {
			if strings.EqualFold(m, name) {
				return m
			}
		}
	}
	return name
}

// packedStore is a file store that was packed before the archive was.
func (d *detector) packedStore() string {
	for _, name := range d.packed {
		if strings.Contains(strings.ToLower(path.Base(name)), "filestore") {
			return name
		}
	}
	return ""
}

// hidden are files that macOS and file managers leave behind.
func hidden(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(name, "__MACOSX/") || strings.Contains(name, "/__MACOSX/") || strings.HasPrefix(base, "._") || base == ".DS_Store" || base == "Thumbs.db"
}

// names are those of a dump, the likeliest first.
var dumpNames = []string{"dump.sql", "dump.sql.gz", "db.dump", "dump.dump"}

// detect gives the layout; the archive is refused where it is not clear.
func (a *Archive) detect() error {
	d := detector{stores: map[string]int{}, roleOf: a.roleOf}
	if err := a.src.each(d.member); err != nil {
		return a.damaged(err)
	}
	if len(d.stores) == 0 {
		a.PackedStore = d.packedStore()
	}
	depth := func(name string) int { return strings.Count(name, "/") }
	rank := func(name string) int {
		i := slices.Index(dumpNames, strings.ToLower(path.Base(name)))
		if i < 0 {
			i = len(dumpNames)
		}
		return depth(name)*100 + i
	}
	slices.SortStableFunc(d.dumps, func(x, y string) int { return rank(x) - rank(y) })
	a.layout = odooLayout
	switch {
	case len(d.contents) > 1:
		return a.refuse("contains several dumps, %q and %q; name the folder of the one to use", short(d.contents[0]), short(d.contents[1]))
	case len(d.contents) == 1:
		if !a.src.parallel() {
			return a.refuse("is pg_dump's directory format in a compressed tar, where odpm cannot look up single files; unpack it and name the folder: tar -xf %s", shell.Quote(a.Path))
		}
		a.layout.dump = d.contents[0]
		folder := path.Dir(a.layout.dump)
		above := path.Dir(folder)
		a.layout.manifest, a.layout.files = d.manifest(above), path.Join(above, "filestore")+"/"
		return a.detectFiles(d.stores)
	case len(d.dumps) == 0 && d.refused != nil:
		return d.refused
	case len(d.dumps) == 0 && len(d.packed) > 0:
		return a.packedOnceMore(d)
	case d.cluster:
		return a.refuse("is a copy of a server's data directory (as pg_basebackup makes), not a backup of a database; start PostgreSQL of the same major on an unpacked copy, and dump the database NAME there: pg_dump -Fc -f backup.dump NAME")
	case len(d.dumps) == 0:
		return a.refuse("has no dump.sql: it is not a backup of an Odoo database")
	case len(d.dumps) > 1 && d.dumps[0] == d.dumps[1]:
		return a.twice(strconv.Quote(short(d.dumps[0])))
	case len(d.dumps) > 1 && rank(d.dumps[0]) == rank(d.dumps[1]):
		return a.refuse("contains several dumps, %q and %q; pack the one to use as dump.sql", short(d.dumps[0]), short(d.dumps[1]))
	}
	a.layout.dump = d.dumps[0]
	top := ""
	if i := strings.LastIndexByte(a.layout.dump, '/'); i >= 0 {
		top = a.layout.dump[:i+1]
	}
	a.layout.manifest, a.layout.files = d.manifest(top), top+"filestore/"
	return a.detectFiles(d.stores)
}

// packedOnceMore is the error of an archive whose dump is in another one.
func (a *Archive) packedOnceMore(d detector) error {
	one := d.packed[0]
	switch {
	case a.Format == Folder:
		return a.refuse("has no dump.sql, only %q, which is an archive itself: name that file, %s", short(one), shell.Quote(filepath.Join(a.Path, one)))
	case len(d.stores) > 0:
		return a.refuse("has no dump.sql, only %q, which is an archive itself: unpack the archive into a folder, then unpack that file in it, and name the folder: %s", short(one), a.unpackAll())
	}
	return a.refuse("has no dump.sql, only %q, which is an archive itself: unpack it, and name %s: %s", short(one), shell.Quote(filepath.Join(a.unpackedFolder(), one)), a.unpackAll(one))
}

// detectFiles chooses among the roots of file stores.
func (a *Archive) detectFiles(stores map[string]int) error {
	if stores[a.layout.files] > 0 {
		return nil
	}
	var roots, others []string
	for root := range stores {
		if strings.Contains("/"+root, "/filestore/") {
			roots = append(roots, root)
		} else {
			others = append(others, root)
		}
	}
	// Who copies data_dir/filestore/NAME beside a dump has NAME/, and its files are
	// known by their names.
	if len(roots) == 0 && len(others) == 1 && others[0] != "" {
		roots = others
	}
	slices.Sort(roots)
	switch len(roots) {
	case 0:
		return nil
	case 1:
		a.layout.files = roots[0]
		return nil
	}
	return a.refuse("contains the file stores of several databases, %q and %q; pack the one to use as filestore/", short(roots[0]), short(roots[1]))
}
