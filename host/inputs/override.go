package inputs

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/host/state"
)

// imageWithChecker stands for the image that odpm decides on later.
const imageWithChecker = "odpm/with-checker"

// readOverride looks at what an override makes of odpm's own two services.
// The plan, the look at the data and the checker go by .env and odpm.json: an
// override that changes the same things behind their back would start a server
// that nobody compared with its data, or an Odoo without its checker.
func (in *Inputs) readOverride(ctx context.Context) {
	files, p := in.ComposeFiles, in.Project
	in.composeFileWarning(files)
	if len(files) < 2 {
		return
	}
	spec := compose.Spec{Project: *p, OdooImage: imageWithChecker}
	doc, err := compose.Build(spec)
	if err != nil {
		return // host/desired says it.
	}
	m, err := compose.Merge(ctx, p.Dir, files[0], doc, files[1:], p.Env)
	if err != nil {
		return // docker compose says it in its own words.
	}
	in.Merged = m
	in.OdooUser = m.Services[p.OdooServiceName].User
	if c := m.Services[p.OdooServiceName].Command; len(c) > 0 && !slices.Equal(c, spec.OdooCommand()) && !foreign.WrapsOdoo(c) {
		in.OdooCommand = c
	}
	if !p.External {
		in.PostgresUser = m.Services[p.ServiceName].User
	}
	in.contradictions(m, files[1])
}

func (in *Inputs) contradictions(m *types.Project, file string) {
	p := in.Project
	if !p.External {
		in.overriddenPostgres(m.Services[p.ServiceName], file)
	}
	in.overriddenOdoo(m.Services[p.OdooServiceName], file)
}

// Proposed are the inputs of a project that is not there yet, with an override of that
// name and text, nil for none.
func Proposed(ctx context.Context, p *project.Project, override string, text []byte) *Inputs {
	in := &Inputs{Project: p, Dirs: state.NewDirs(p.Dir)}
	doc, err := compose.Build(compose.Spec{Project: *p, OdooImage: imageWithChecker})
	if err != nil || text == nil {
		return in
	}
	file := filepath.Join(p.Dir, override)
	m, err := compose.MergeTexts(ctx, p.Dir, []types.ConfigFile{{Filename: in.ComposePath(), Content: doc}, {Filename: file, Content: text}}, p.Env)
	if err != nil {
		return in // docker compose says it in its own words.
	}
	in.Merged = m
	in.contradictions(m, file)
	return in
}

// OdooMounts says whether an override mounts something at a path in Odoo's container.
func (in *Inputs) OdooMounts(target string) bool {
	return in.Merged != nil && slices.ContainsFunc(in.Merged.Services[in.Project.OdooServiceName].Volumes, func(v types.ServiceVolumeConfig) bool {
		return path.Clean(v.Target) == target
	})
}

// composeFileWarning: a person whose own docker compose goes by COMPOSE_FILE
// would wonder where the rest of the stack is.
func (in *Inputs) composeFileWarning(files []string) {
	named, sep := in.Project.Env["COMPOSE_FILE"], cmp.Or(in.Project.Env["COMPOSE_PATH_SEPARATOR"], string(os.PathListSeparator))
	var mine []string
	for _, f := range files {
		mine = append(mine, in.Rel(f))
	}
	if named == "" || named == compose.FileName || named == strings.Join(mine, sep) {
		return
	}
	in.Warnings = append(in.Warnings, fmt.Sprintf("COMPOSE_FILE=%s is not followed: odpm uses the %s that it writes, and docker-compose.override.yml. Put there what those files add, or set ODPM_COMPOSE=keep in .env", named, compose.FileName))
}

func (in *Inputs) overridden(file, what string, ways ...string) {
	in.Conflicts = append(in.Conflicts, Conflict{What: in.Rel(file) + ": " + what, Ways: ways})
}

func (in *Inputs) overriddenPostgres(svc types.ServiceConfig, file string) {
	p := in.Project
	out := "or take it out of " + in.Rel(file)
	if svc.Image != p.PostgresImage {
		// It is what the data is looked at with, and repaired.
		in.PostgresImage = svc.Image
		if major := tag.OfImage(svc.Image); major != 0 && major != p.PostgresMajor {
			in.overridden(file, fmt.Sprintf("services.%s.image is %s, PostgreSQL %d, but the version in odpm.json is %q: the data is compared with that.", p.ServiceName, svc.Image, major, p.PostgresVersion),
				fmt.Sprintf("postgres_version %d in odpm.json        if you mean that server; odpm then compares its version with the data", major), out)
		}
	}
	pgdata := p.PGData()
	for _, v := range svc.Volumes {
		// One below it (pg_wal, a configuration file) leaves the rest where it is.
		if at := path.Clean(v.Target); v.Source == p.VolumeName || at != datadir.MountTarget(p.PostgresMajor) && at != pgdata {
			continue
		}
		source := v.Source
		if v.Type == types.VolumeTypeVolume {
			source = "volume:" + source
		}
		in.overridden(file, fmt.Sprintf("services.%s.volumes mounts %s at %s: PostgreSQL would run on data other than this project's %s.", p.ServiceName, in.Rel(v.Source), v.Target, in.DataName()),
			fmt.Sprintf("POSTGRES_DATA_DIR=%s in .env        if that is where the data is", source), out)
	}
	if v := svc.Environment["PGDATA"]; v != nil && path.Clean(*v) != pgdata {
		in.overridden(file, fmt.Sprintf("services.%s.environment sets PGDATA to %s: PostgreSQL would run on data other than this project's %s, which is at %s.", p.ServiceName, *v, in.DataName(), pgdata), out[len("or "):])
	}
}

func (in *Inputs) overriddenOdoo(svc types.ServiceConfig, file string) {
	p := in.Project
	at := "services." + p.OdooServiceName
	out := "take it out of " + in.Rel(file)
	if svc.Build != nil || svc.Image != imageWithChecker {
		what, name := "image", svc.Image
		if svc.Build != nil {
			what = "build"
		}
		if name == imageWithChecker {
			name = "NAME"
		}
		ways := []string{fmt.Sprintf("ODOO_IMAGE=%s in .env        odpm puts the checker in front of that image", name), "and " + out}
		if svc.Build != nil {
			ways = append([]string{fmt.Sprintf("docker build -t %s …        as it is", name)}, ways...)
		}
		in.overridden(file, fmt.Sprintf("%s.%s takes the place of the image with odpm-checker: nothing would prove Odoo's login.", at, what), ways...)
	}
	// A word of it may be a shell's text that comes to the checker.
	if len(svc.Entrypoint) > 0 && !strings.Contains(strings.Join(svc.Entrypoint, " "), "odpm-checker") {
		in.overridden(file, at+".entrypoint leaves out odpm-checker: nothing would prove Odoo's login.",
			fmt.Sprintf(`entrypoint: ["%s", "--", …] there        the checker first, then what is there now`, compose.CheckerInImage), "or "+out)
	}
}
