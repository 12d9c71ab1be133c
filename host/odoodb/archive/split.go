package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/odpm/odpm/shared/shell"
)

// splitName is what split, 7-Zip and others call the parts of a file that is cut up:
// x.zip.001, x.sql.gz.part-aa, x.zip-aa, x.part1; the parts' names are equally long.
var splitName = regexp.MustCompile(`^(.*[^0-9])([0-9]{1,3}|[a-z]{2})$`)

// partEnd separates a name from the number of a part.
var partEnd = regexp.MustCompile(`(?i)[._-]+(part[._-]?)?$`)

// ifPart is the next step for a file that cannot be read and may be one part of it, as
// the files beside it say; "" where they do not.
func (a *Archive) ifPart() string {
	m := splitName.FindStringSubmatch(filepath.Base(a.Path))
	if m == nil || a.f == nil {
		return ""
	}
	stem, number := m[1], m[2]
	whole := partEnd.ReplaceAllString(stem, "")
	if whole == stem || whole == "" {
		return ""
	}
	beside, err := os.ReadDir(filepath.Dir(a.Path))
	if err != nil {
		return ""
	}
	parts, letters := 0, number[0] >= 'a'
	for _, e := range beside {
		other := splitName.FindStringSubmatch(e.Name())
		if e.Type().IsRegular() && other != nil && other[1] == stem && len(other[2]) == len(number) && (other[2][0] >= 'a') == letters {
			parts++
		}
	}
	if parts < 2 {
		return ""
	}
	dir, class := filepath.Dir(a.Path), "[0-9]"
	if letters {
		class = "[a-z]"
	}
	return fmt.Sprintf("; if it is one of the %d parts of an archive that was split, join them, and name the result: cat %s > %s", parts,
		shell.Quote(filepath.Join(dir, stem))+strings.Repeat(class, len(number)), shell.Quote(unused(filepath.Join(dir, whole))))
}

// unused is the name, or the name with something after it where there is such a file.
func unused(name string) string {
	for {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		ext := filepath.Ext(name)
		name = strings.TrimSuffix(name, ext) + "-joined" + ext
	}
}

// segmentName are the parts that `zip -s` writes before the last one, which is the .zip.
var segmentName = regexp.MustCompile(`(?i)\.z[0-9]{2,3}$`)

// segmented is the refusal of a part of what `zip -s` has written.
func (a *Archive) segmented() error {
	last := segmentName.ReplaceAllString(a.Path, ".zip")
	return a.refuse("is one part of a zip that was written in several; join them, and name the result: zip -s 0 %s --out %s", shell.Quote(last), shell.Quote(unused(strings.TrimSuffix(last, ".zip")+"-joined.zip")))
}
