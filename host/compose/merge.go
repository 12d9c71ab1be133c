package compose

import (
	"context"
	"fmt"
	"maps"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose/loading"
)

// Merge is what compose makes of odpm's document and the person's files over
// it, without asking docker: what really runs, where an override says more
// than the document. Services of every profile are in it.
func Merge(ctx context.Context, dir, path string, doc []byte, over []string, env map[string]string) (*types.Project, error) {
	files := []types.ConfigFile{{Filename: path, Content: doc}}
	for _, o := range over {
		files = append(files, types.ConfigFile{Filename: o})
	}
	return MergeTexts(ctx, dir, files, env)
}

// MergeTexts is the same where the files need not be there.
func MergeTexts(ctx context.Context, dir string, files []types.ConfigFile, env map[string]string) (*types.Project, error) {
	_, release := loading.CatchLog()
	defer release()
	// A copy: the loader writes the project's name into it.
	p, err := loader.LoadWithContext(ctx, types.ConfigDetails{WorkingDir: dir, Environment: maps.Clone(env), ConfigFiles: files}, func(o *loader.Options) {
		o.SetProjectName("odpm", true)
		o.ResourceLoaders = append(o.ResourceLoaders, loading.New(dir))
		o.Profiles = []string{"*"}
		// Whether the files that it names are there is docker compose's to say.
		o.SkipConsistencyCheck = true
		o.SkipResolveEnvironment = true
	})
	if err != nil {
		return nil, fmt.Errorf("docker compose's files together: %w", err)
	}
	return p, nil
}
