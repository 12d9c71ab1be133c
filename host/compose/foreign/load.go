package foreign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/loading"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
)

// versionOne tells a file of Compose version 1: no section has a name of its
// own, and the top level holds the services.
func versionOne(path string) bool {
	data, err := compose.ReadFile(path)
	var top map[string]any
	if err != nil || yaml.Unmarshal(data, &top) != nil || len(top) == 0 {
		return false
	}
	for _, section := range []string{"services", "include", "version", "name", "volumes", "networks"} {
		if _, ok := top[section]; ok {
			return false
		}
	}
	for _, v := range top {
		s, ok := v.(map[string]any)
		if _, image := s["image"]; !ok || !image && s["build"] == nil {
			return false
		}
	}
	return true
}

// findFiles is compose's own search, with the override that compose adds when
// no file is named.
func findFiles(path string, env map[string]string) ([]string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the compose file cannot be opened: %w", wording.BadFile(path, err))
	}
	if info.IsDir() {
		if named, err := namedFiles(path, env); err != nil || len(named) > 0 {
			return named, err
		}
		found := ""
		for _, name := range cli.DefaultFileNames {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				found = filepath.Join(path, name)
				break
			}
		}
		if found == "" {
			return nil, fmt.Errorf("there is no compose file in %s (looked for %s); give its name as FILE: odpm init --from-compose FILE", path, strings.Join(cli.DefaultFileNames, ", "))
		}
		path = found
	}
	files := []string{path}
	if slices.Contains(cli.DefaultFileNames, filepath.Base(path)) {
		for _, name := range cli.DefaultOverrideFileNames {
			over := filepath.Join(filepath.Dir(path), name)
			if _, err := os.Stat(over); err == nil {
				return append(files, over), nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return files, nil
}

// NamedFiles are the names in COMPOSE_FILE, unchanged.
func NamedFiles(env map[string]string) []string {
	names := strings.Split(env["COMPOSE_FILE"], firstOf(env["COMPOSE_PATH_SEPARATOR"], string(os.PathListSeparator)))
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// namedFiles are what COMPOSE_FILE names: with it docker compose looks at no
// other file, not even at an override.
func namedFiles(dir string, env map[string]string) ([]string, error) {
	var files []string
	for _, name := range NamedFiles(env) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if info, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("COMPOSE_FILE names a compose file that cannot be opened: %w", wording.BadFile(name, err))
		} else if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("COMPOSE_FILE names %s, which is %s, not a file", name, regular.Kind(info.Mode()))
		}
		files = append(files, name)
	}
	return files, nil
}

func (f *File) load(ctx context.Context, env map[string]string) (warnings []string, err error) {
	caught, release := loading.CatchLog()
	defer release()

	var environ []string
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	files := loading.New(f.Dir, f.Files...)
	if err := files.Check(append([]string{".env"}, f.Files...)...); err != nil {
		return nil, err
	}
	load := func(more ...cli.ProjectOptionsFn) (*cli.ProjectOptions, error) {
		return cli.NewProjectOptions(f.Files, append([]cli.ProjectOptionsFn{
			cli.WithWorkingDirectory(f.Dir), cli.WithEnv(environ), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"*"}),
			cli.WithResourceLoader(files),
		}, more...)...)
	}
	// The files of environments are read at the end of a load.
	o, err := load(cli.WithoutEnvironmentResolution)
	if err != nil {
		return nil, err
	}
	if f.unresolved, err = o.LoadProject(ctx); err != nil {
		return nil, err
	} else if err := files.EnvFiles(f.unresolved); err != nil {
		return nil, err
	}
	if o, err = load(); err != nil {
		return nil, err
	}
	if f.Doc, err = o.LoadProject(ctx); err != nil {
		return nil, err
	}
	f.inherit()
	f.read = files.All()
	warnings = caught.Unset
	// As it stands in the file, to tell ${DB_PASSWORD} from a password. Where
	// the uninterpolated document is not valid by itself that stays unknown.
	if o, err := load(cli.WithInterpolation(false), cli.WithoutEnvironmentResolution); err == nil {
		f.raw, _ = o.LoadModel(ctx)
	}
	return warnings, nil
}
