package foreign

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/regular"
)

// Secrets are the values in the document that nothing may show: of variables
// whose name says so, wherever the file has them from (env_file, include,
// interpolation), and of the section "secrets".
func (f *File) Secrets() []string {
	var found []string
	for _, s := range f.Doc.Services {
		for key, value := range s.Environment {
			if value != nil && redact.IsKey(key) {
				found = append(found, *value)
			} else if value != nil {
				found = append(found, redact.Find(*value)...)
			}
		}
		for _, words := range [][]string{s.Command, s.Entrypoint} {
			found = append(found, redact.Find(strings.Join(words, " "))...)
		}
	}
	for name, s := range f.Doc.Secrets {
		if strings.Contains(strings.ToLower(name), "user") {
			continue
		}
		found = append(found, s.Content)
		if s.Environment != "" {
			found = append(found, f.Doc.Environment[s.Environment], os.Getenv(s.Environment))
		}
		if s.File != "" {
			path := s.File
			if !filepath.IsAbs(path) {
				path = filepath.Join(f.Doc.WorkingDir, path)
			}
			if data, err := regular.Read(path, 4<<10); err == nil {
				found = append(found, string(data))
			}
		}
	}
	return found
}
