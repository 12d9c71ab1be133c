package foreign

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// inherit gives every service the mounts of the services in its volumes_from, so
// that whoever looks for data finds them. Those of containers outside of the file
// stay named: what they have, only the engine knows.
func (f *File) inherit() {
	done := map[string]bool{}
	var of func(name string) []types.ServiceVolumeConfig
	of = func(name string) []types.ServiceVolumeConfig {
		s, ok := f.Doc.Services[name]
		if !ok || done[name] {
			return s.Volumes
		}
		done[name] = true
		s.Volumes = slices.Clone(s.Volumes)
		var others []string
		for _, from := range s.VolumesFrom {
			source, mode, _ := strings.Cut(from, ":")
			if source == "container" {
				others = append(others, from)
				continue
			}
			for _, v := range of(source) {
				v.ReadOnly = v.ReadOnly || mode == "ro"
				if !slices.ContainsFunc(s.Volumes, func(w types.ServiceVolumeConfig) bool { return path.Clean(w.Target) == path.Clean(v.Target) }) {
					s.Volumes = append(s.Volumes, v)
				}
			}
		}
		s.VolumesFrom = others
		f.Doc.Services[name] = s
		return s.Volumes
	}
	for _, name := range f.Doc.ServiceNames() {
		of(name)
	}
}
