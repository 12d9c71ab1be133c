package desired

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/entrypoint"
	"github.com/odpm/odpm/shared/odooconf"
)

// An image whose own entrypoint names Odoo, and that has no command, is given
// options alone: "odoo" among them is an unrecognised parameter to Odoo.
func TestOptionsAlone(t *testing.T) {
	conf, err := odooconf.Parse([]byte("[options]\ndb_host = db\ndb_user = odoo\n"))
	if err != nil {
		t.Fatal(err)
	}
	official := engine.Image{Entrypoint: OfficialEntrypoint, Cmd: officialCmd}
	official.AppendsLogin = true
	for name, tt := range map[string]struct {
		image engine.Image
		want  []string
	}{
		"official":          {official, []string{"/usr/bin/odoo", "--data-dir=/var/lib/odoo"}},
		"own, no command":   {engine.Image{Entrypoint: []string{"/entry.sh"}}, []string{"--data-dir=/var/lib/odoo"}},
		"own, with command": {engine.Image{Entrypoint: []string{"/entry.sh"}, Cmd: []string{"odoo-bin"}}, []string{"odoo-bin", "--data-dir=/var/lib/odoo"}},
		"neither":           {engine.Image{}, []string{"odoo", "--data-dir=/var/lib/odoo"}},
	} {
		spec := compose.Spec{Command: command(conf, tt.image)}
		if got := spec.OdooCommand(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// What is no JSON in a Dockerfile's ENTRYPOINT the builder takes for a shell's
// line, and says nothing.
func TestEntrypointIsJSON(t *testing.T) {
	words := []string{"/entry.sh", "a b", `say "hi" \ there`, "bell\a escape\x1b", "<&>", "\U000e0001 ünï"}
	var got []string
	if err := json.Unmarshal([]byte(jsonArray(words)), &got); err != nil || !slices.Equal(got, words) {
		t.Errorf("%s: %q %v", jsonArray(words), got, err)
	}
}

// What an image's own script does not hand on never reaches Odoo; one that starts none
// has no say in it.
func TestIgnores(t *testing.T) {
	for text, want := range map[string]string{
		"exec odoo -c /tmp/odoo.conf":           "/entry.sh",
		"exec /opt/odoo/odoo-bin -c /etc/o.cfg": "/entry.sh",
		`exec odoo "$@"`:                        "",
		"echo started":                          "",
	} {
		image := engine.Image{Entrypoint: []string{"/entry.sh"}, ImageFiles: engine.ImageFiles{Script: "/entry.sh", Does: entrypoint.Read("#!/bin/sh\n" + text)}}
		if got := ignores(image); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
