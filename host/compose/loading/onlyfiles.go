// Package loading is what every use of compose's own loader needs: nothing is
// opened that has no end, and its warnings reach nobody's terminal.
package loading

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

// OnlyFiles refuses what compose's loader would open and never be done with: a
// pipe without a writer, a device without an end. To the loader it is a source
// of included and extended files that knows only those.
type OnlyFiles struct {
	dir string
	// read are the files that the loader asked for.
	read []string
}

// New is for a project in dir, of whose files the caller knows those in read.
func New(dir string, read ...string) *OnlyFiles {
	return &OnlyFiles{dir: dir, read: slices.Clone(read)}
}

// All are the files that are there, each once.
func (o *OnlyFiles) All() []string {
	var out []string
	for _, path := range o.read {
		if path = o.abs(path); !slices.Contains(out, path) && regular.Is(path) {
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
func (o *OnlyFiles) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	for _, file := range o.read {
		if at := filepath.Join(filepath.Dir(file), path); filepath.IsAbs(at) && regular.Is(at) {
			return at
		}
	}
	return filepath.Join(o.dir, path)
}

func (o *OnlyFiles) Accept(path string) bool {
	at := o.abs(path)
	if regular.Is(at) {
		o.read = append(o.read, at)
	}
	return endless(at) != ""
}

func (o *OnlyFiles) Load(_ context.Context, path string) (string, error) {
	return "", o.Check(path)
}

func (o *OnlyFiles) Dir(path string) string { return filepath.Dir(path) }

// Check is an error where one of the paths is what the loader must not open.
func (o *OnlyFiles) Check(paths ...string) error {
	for _, path := range paths {
		if kind := endless(o.abs(path)); kind != "" {
			return &fs.PathError{Op: "read", Path: o.abs(path), Err: fmt.Errorf("it is %s, %w", kind, regular.ErrNotRegular)}
		}
	}
	return nil
}

// EnvFiles checks those of all services.
func (o *OnlyFiles) EnvFiles(p *types.Project) error {
	for _, s := range p.Services {
		for _, f := range s.EnvFiles {
			if err := o.Check(f.Path); err != nil {
				return fmt.Errorf("env_file of service %s: %w", s.Name, err)
			}
		}
	}
	return nil
}
