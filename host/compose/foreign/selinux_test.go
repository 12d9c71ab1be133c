package foreign

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
)

// Labels of a file are a setting, and no mount in the override: that would name a
// volume which the file itself does not have, and docker compose reads both until
// odpm has written its own.
func TestLabelled(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b, X: y}, volumes: ["./files:/var/lib/odoo:Z", "./more:/srv/more:Z"]}
  crons: {image: "odoo:17.0", command: --no-http, volumes: ["./files:/var/lib/odoo:Z"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data:Z"]}
`, nil)
	loaded, d := inItsPlace(t, f, "odoo", "")
	over := filepath.Join(f.Dir, "compose.override.yml")
	if err := os.WriteFile(over, d.Override, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(context.Background(), f.Files[0], nil); err != nil {
		t.Errorf("the old file with it: %v\n%s", err, d.Override)
	}
	doc, err := compose.Build(compose.Spec{Project: loaded, OdooImage: "odoo", HandoffID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := compose.Merge(context.Background(), f.Dir, filepath.Join(f.Dir, compose.FileName), doc, []string{over}, loaded.Env)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"odoo", "db"} {
		for _, v := range ours.Services[service].Volumes {
			if v.Bind == nil || v.Bind.SELinux == "" {
				t.Errorf("%s: no label at %s\n%s", service, v.Target, doc)
			}
		}
	}
	// A volume that Docker keeps has its label.
	loaded.DataVolume, loaded.DataDir = "shop_db", ""
	doc, err = compose.Build(compose.Spec{Project: loaded, OdooImage: "odoo", HandoffID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = compose.Merge(context.Background(), f.Dir, filepath.Join(f.Dir, compose.FileName), doc, nil, loaded.Env); err != nil {
		t.Fatal(err)
	}
	if v := ours.Services["db"].Volumes[0]; v.Type != types.VolumeTypeVolume || v.Bind != nil {
		t.Errorf("%+v", v)
	}
	overlay, err := compose.Overlay{Dir: f.Dir, Project: f.Dir, SELinux: "z", Services: []compose.Overlaid{{Service: "odoo", Records: true}}}.Build()
	if err != nil || strings.Count(string(overlay), "selinux: z") != 2 {
		t.Errorf("%v\n%s", err, overlay)
	}
}
