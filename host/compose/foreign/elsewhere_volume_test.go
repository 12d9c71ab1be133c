package foreign

import (
	"strings"
	"testing"
)

// A volume that the file takes for made already is somewhere, a Swarm's on its node:
// where this engine lacks it, a new stack would start without that data.
func TestExternalVolumeElsewhere(t *testing.T) {
	f := readText(t, `
services:
  db:
    image: postgres:16
    environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}
    volumes: ["pg:/var/lib/postgresql/data"]
  odoo:
    image: odoo:18.0
    environment: {HOST: db, USER: odoo, PASSWORD: pw}
    volumes: ["web:/var/lib/odoo", "files:/var/lib/odoo/filestore"]
volumes: {pg: {external: true}, web: {external: true, name: shop_web}, files: {external: true}}
`, nil)
	for name, c := range map[string]struct {
		volumes map[string]bool
		want    string
	}{
		"none":            {map[string]bool{}, "pg shop_web files"},
		"all":             {map[string]bool{"pg": true, "shop_web": true, "files": true}, ""},
		"only PostgreSQL": {map[string]bool{"pg": true}, "shop_web files"},
		"nobody asked":    {nil, ""},
	} {
		var got []string
		for _, p := range f.Propose(Place{Dir: f.Dir, Copying: true, Volumes: c.volumes}).Lost() {
			if p.Code == "volume_elsewhere" {
				volume, _, _ := strings.Cut(strings.TrimPrefix(p.Way, "docker volume create "), " ")
				got = append(got, volume)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: refused for %v, not %q", name, got, c.want)
		}
	}
}
