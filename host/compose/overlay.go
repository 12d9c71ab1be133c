package compose

import (
	"bytes"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/handoff"
)

// OverlayName is the file that odpm lays over a kept compose file, a further -f.
const OverlayName = ".odpm/compose.yml"

// CheckerInImage is where a build of odpm's puts the checker.
const CheckerInImage = "/usr/local/bin/odpm-checker"

// CheckerPrefix begins the checker's name in the runtime directory, with which it
// comes into a kept service's container: the image is the person's.
const CheckerPrefix = "odpm-checker-"

// CheckerFile is that name. Another checker has another one, so that compose
// makes the container anew.
func CheckerFile(digest string) string { return CheckerPrefix + digest[:min(12, len(digest))] }

// CheckerMounted is where it is in the container.
func CheckerMounted(digest string) string { return handoff.RuntimeDir + "/" + CheckerFile(digest) }

// Overlay is what a kept file needs so that the checker stands in front of its
// Odoo.
type Overlay struct {
	// Dir is compose's project directory, Project odpm's.
	Dir, Project string
	// SELinux is the label of the overlay's mounts, see project.Project.
	SELinux string
	// HandoffID is what the checker must find in checker.json.
	HandoffID string
	Services  []Overlaid
}

// Overlaid is one service of Odoo's.
type Overlaid struct {
	Service string
	// Entrypoint and Command are all of what it starts, nil leaves both as they
	// are: then the checker stands beside. Compose drops the image's command where
	// an entrypoint is set.
	Entrypoint, Command []string
	// Records: its logins are the project's. The others wait for theirs.
	Records bool
	// Group is a group of this machine that may write to .odpm/database, "" where
	// the container's user can.
	Group string
}

const overlayHeader = `# ` + marker + ` — written by odpm, which overwrites changes made here.
# It extends your own compose file (ODPM_COMPOSE=keep), which is not changed:
# odpm adds it with another -f; docker compose by hand does not use it.
`

// Build makes the document. The same Overlay always gives the same bytes.
func (o Overlay) Build() ([]byte, error) {
	doc := &types.Project{Services: types.Services{}}
	for _, s := range o.Services {
		env := map[string]string{handoff.EnvID: o.HandoffID}
		volumes := []types.ServiceVolumeConfig{bind(HostPath(o.Dir, filepath.Join(o.Project, handoff.HostRuntimeDir)), handoff.RuntimeDir, true)}
		var svc types.ServiceConfig
		svc.Entrypoint, svc.Command = types.ShellCommand(s.Entrypoint), types.ShellCommand(s.Command)
		if s.Records {
			volumes = append(volumes, bind(HostPath(o.Dir, filepath.Join(o.Project, handoff.HostDatabaseDir)), handoff.DatabaseDir, false))
			if s.Group != "" {
				svc.GroupAdd = []string{s.Group}
			}
		} else {
			env["ODPM_NO_RECORD"] = "true"
		}
		label(project.Project{SELinux: o.SELinux}, volumes)
		svc.Environment, svc.Volumes = environment(env), volumes
		doc.Services[s.Service] = svc
	}
	root, err := node(doc)
	if err != nil {
		return nil, err
	}
	text, err := render(root)
	return append([]byte(overlayHeader), bytes.TrimPrefix(text, []byte(header))...), err
}
