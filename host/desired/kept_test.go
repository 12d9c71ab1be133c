package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/entrypoint"
)

// TestBeside: in front of a program that writes odoo.conf first the checker ended
// with 78 at every run, for a file that was not there yet.
func TestBeside(t *testing.T) {
	official := engine.Image{Entrypoint: OfficialEntrypoint, ImageFiles: engine.ImageFiles{Script: "/entrypoint.sh", Does: entrypoint.Script{HandsOn: true, ByName: true}}}
	program := engine.Image{Entrypoint: []string{"/usr/local/bin/start"}}
	for _, tc := range []struct {
		argv, want string
		image      engine.Image
	}{
		{"/entrypoint.sh odoo", "", official},
		{"/entrypoint.sh odoo -c /etc/odoo/odoo.conf", "", official},
		{"tini -- gosu odoo odoo -c /x.conf", "", official},
		{"python3 /opt/odoo/odoo-bin -c /x.conf", "", official},
		{"python3 -m odoo -c /x.conf", "", official},
		{"/start.sh odoo", "", official},
		{"tail -f /dev/null", "", official},
		{"python3 -m inside.run_odoo -- /home/odoo/odoo/odoo-bin -c /home/odoo/odoo.conf", "python3 /home/odoo/odoo/odoo-bin -c /home/odoo/odoo.conf", engine.Image{}},
		{"/entrypoint.sh python3 -m inside.run_odoo -- /srv/odoo-bin -c /x.conf", "python3 /srv/odoo-bin -c /x.conf", official},
		{"/usr/local/bin/start odoo -c /x.conf", "odoo -c /x.conf", program},
	} {
		if got := beside(strings.Fields(tc.argv), tc.image, true); !slices.Equal(got, strings.Fields(tc.want)) {
			t.Errorf("%s: %q, want %q", tc.argv, got, tc.want)
		}
	}
	shell := []string{"/bin/bash", "-c", "exec odoo --db_host=$PGHOST --data-dir=/var/lib/odoo"}
	if got := beside(shell, engine.Image{Entrypoint: shell}, true); got != nil {
		t.Errorf("a shell's line is a program: %q", got)
	}
}
