package inherited_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/test/inherited/legacy"
)

// The main job on the oldest and the newest major: `odpm` adopts the cluster,
// the checker proves the login and records it, and the next run finds nothing
// to do.
func TestAdoption(t *testing.T) {
	for _, s := range states {
		if s.name != "no-role" && s.name != "bootstrap" && s.name != "admin-nologin" {
			continue
		}
		for _, major := range []int{12, 18} {
			t.Run(fmt.Sprintf("%s/%d", s.name, major), func(t *testing.T) {
				t.Parallel()
				c := legacy.New(t, legacy.Spec{Major: major, Superuser: s.superuser, HBA: s.hba, Conf: s.conf, Setup: s.setup})
				if err := c.WriteProject(odoo.Role, odoo.Password); err != nil {
					t.Fatal(err)
				}
				run := odpm(t, c, 0)
				if err := login(c, odoo); err != nil {
					t.Errorf("after: %v\n%s", err, run.Stderr)
				}
				id, err := c.PSQL(odoo.Role, odoo.Password, "postgres", "SELECT system_identifier FROM pg_control_system()")
				if err != nil {
					t.Fatal(err)
				}
				var baseline struct {
					Cluster struct {
						AppRole          string `json:"app_role"`
						AppRolePresent   bool   `json:"app_role_present"`
						PGMajor          int    `json:"pg_major"`
						SystemIdentifier string `json:"system_identifier"`
					} `json:"cluster"`
				}
				data, err := os.ReadFile(filepath.Join(c.Project, ".odpm", "database", "last_run.json"))
				if err == nil {
					err = json.Unmarshal(data, &baseline)
				}
				if b := baseline.Cluster; err != nil || b.AppRole != odoo.Role || !b.AppRolePresent || b.PGMajor != major || b.SystemIdentifier != id {
					t.Errorf("the baseline: %v\n%s", err, data)
				}
				if again := odpm(t, c, 0, "plan"); !strings.Contains(again.Stdout, "No changes.") {
					t.Errorf("the next plan:\n%s", again.Stdout)
				}
			})
		}
	}
}
