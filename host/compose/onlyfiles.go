package compose

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/regular"
)

// onlyFiles refuses what compose's loader would open and never be done with: a
// pipe without a writer, a device without an end. To the loader it is a source
// of included and extended files that knows only those.
type onlyFiles struct {
	dir string
	// read are the files that the loader asked for.
	read []string
}

// all are the files that are there, each once.
func (o *onlyFiles) all() []string {
	var out []string
	for _, path := range o.read {
		if path = o.abs(path); !slices.Contains(out, path) && regularFile(path) {
			out = append(out, path)
		}
	}
	return out
}

// endless says what is at path, "" for a file, for /dev/null and for nothing.
func endless(path string) string {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() || info.IsDir() {
		return "" // the loader has its own words for what is not there
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, null) {
		return ""
	}
	return regular.Kind(info.Mode())
}

// abs is where a path leads: beside the file that says it, which is one of those
// that were read before.
func (o *onlyFiles) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	for _, file := range o.read {
		if at := filepath.Join(filepath.Dir(file), path); filepath.IsAbs(at) && regularFile(at) {
			return at
		}
	}
	return filepath.Join(o.dir, path)
}

func (o *onlyFiles) Accept(path string) bool {
	at := o.abs(path)
	if regularFile(at) {
		o.read = append(o.read, at)
	}
	return endless(at) != ""
}

func (o *onlyFiles) Load(_ context.Context, path string) (string, error) {
	return "", o.check(path)
}

func (o *onlyFiles) Dir(path string) string { return filepath.Dir(path) }

func (o *onlyFiles) check(paths ...string) error {
	for _, path := range paths {
		if kind := endless(o.abs(path)); kind != "" {
			return &fs.PathError{Op: "read", Path: o.abs(path), Err: fmt.Errorf("it is %s, %w", kind, regular.ErrNotRegular)}
		}
	}
	return nil
}

// envFiles checks those of all services.
func (o *onlyFiles) envFiles(p *types.Project) error {
	for _, s := range p.Services {
		for _, f := range s.EnvFiles {
			if err := o.check(f.Path); err != nil {
				return fmt.Errorf("env_file of service %s: %w", s.Name, err)
			}
		}
	}
	return nil
}
