package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/odpm/odpm/host/compose/loading"
)

// Fingerprint stands for everything that `docker compose config` would make its
// document of: the files with what they include, extend and interpolate, the
// environment files, and the variables that steer compose itself. While it and
// compose's own program are the same, so is compose's judgement, which costs two
// processes to ask for. It is "" where the files cannot be read here; compose
// then says why, or reads them.
func Fingerprint(ctx context.Context, dir, project string, files, environ []string) string {
	_, release := loading.CatchLog()
	defer release()
	// An overlay that is not there yet is none of them.
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		_, err := os.Stat(f)
		return len(files) > 1 && errors.Is(err, fs.ErrNotExist)
	})
	only := loading.New(dir)
	if only.Check(append([]string{".env"}, files...)...) != nil {
		return ""
	}
	o, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(dir), cli.WithName(project), cli.WithEnv(environ), cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithDefaultProfiles(), cli.WithResourceLoader(only), cli.WithoutEnvironmentResolution,
		// Compose has judged the same files already.
		cli.WithLoadOptions(func(o *loader.Options) { o.SkipValidation, o.SkipConsistencyCheck = true, true }))
	if err != nil {
		return ""
	}
	doc, err := o.LoadProject(ctx)
	if err != nil || only.EnvFiles(doc) != nil {
		return ""
	}
	if doc, err = doc.WithServicesEnvironmentResolved(false); err != nil {
		return ""
	}
	text, err := doc.MarshalJSON()
	if err != nil {
		return ""
	}
	h := sha256.New()
	h.Write(text)
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		if strings.HasPrefix(kv, "COMPOSE_") || strings.HasPrefix(kv, "DOCKER_") {
			fmt.Fprintf(h, "\x00%s", kv)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
