package foreign

import (
	"context"
	"strings"
	"testing"
)

// Mounts of a container outside of the file: the reference is carried over, and
// where the data may be in them a container of the service is needed that says so.
func TestVolumesFromContainer(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes_from: ["container:legacy:ro"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes_from: ["container:legacydb"]}
`, nil)
	said := func(made map[string]Made) string {
		var b strings.Builder
		for _, x := range f.Propose(Place{Dir: f.Dir, Copying: true, Made: made}).Problems {
			if x.Blocking {
				b.WriteString(x.Message + " " + x.Way + "\n")
			}
		}
		return b.String()
	}
	text := said(map[string]Made{})
	for _, want := range []string{"takes its mounts from the container legacydb", "takes its mounts from the container legacy (volumes_from), which may have Odoo's data", "up --no-start"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	made := map[string]Made{
		"odoo": {Name: "shop-odoo-1", Mounts: []MadeMount{{Volume: "files", Destination: "/var/lib/odoo"}}},
		"db":   {Name: "shop-db-1", Mounts: []MadeMount{{Volume: "cluster", Destination: "/var/lib/postgresql/data"}}},
	}
	if text := said(made); text != "" {
		t.Error(text)
	}
	p := f.Propose(Place{Dir: f.Dir, Copying: true, Made: made})
	if len(p.Copies) != 1 || p.Copies[0].Volume != "files" {
		t.Errorf("copied is %+v", p.Copies)
	}
	content, _, err := p.EnvFile(nil)
	if err != nil || !strings.Contains(string(content), "POSTGRES_DATA_DIR=volume:cluster\n") {
		t.Errorf("%v\n%s", err, content)
	}
	d, err := f.Difference(context.Background(), loadWith(t, f.Dir, content, p.Manifest), nil, nil)
	if err != nil || !strings.Contains(string(d.Override), "container:legacy:ro") || !strings.Contains(string(d.Override), "container:legacydb") {
		t.Errorf("%v\n%s", err, d.Override)
	}
}
