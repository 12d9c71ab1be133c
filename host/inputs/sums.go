package inputs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"

	"github.com/odpm/odpm/shared/regular"
)

// maxSummed is more than any file of a project has.
const maxSummed = 8 << 20

// sum gives each file that a person wrote a value that stands for it, by the name that a person
// knows it by, and for the compose document that they make together with what it
// includes and extends. A plan that was reviewed is compared by them: not everything
// that a file says is in a step.
func (in *Inputs) sum(home string) {
	in.Sums = map[string]string{}
	add := func(name, path string) {
		if path == "" {
			return
		}
		// A file that is not there, or cannot be read, has no sum: to be there is a
		// difference.
		if data, err := regular.Read(path, maxSummed); err == nil {
			in.Sums[name] = hash(data)
		}
	}
	p := in.Project
	for _, name := range []string{".env", "odpm.json", "user_settings.json"} {
		add(name, filepath.Join(p.Dir, name))
	}
	if home != "" {
		add("~/.odpm/.env", filepath.Join(home, ".odpm", ".env"))
	}
	add(in.Rel(p.OdooConfPath), p.OdooConfPath)
	for _, path := range in.ComposeFiles {
		add(in.Rel(path), path)
	}
	doc := in.Merged
	if in.Kept != nil {
		doc = in.Kept.Doc
	}
	if doc != nil {
		if data, err := json.Marshal(doc.Services); err == nil {
			in.Sums["the services of the compose files"] = hash(data)
		}
	}
}

func hash(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
