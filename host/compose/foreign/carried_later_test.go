package foreign

import (
	"strings"
	"testing"
)

// Parts of a service that say nothing on the day of the takeover.
func TestCarriedForLater(t *testing.T) {
	for name, c := range map[string]struct{ odoo, want string }{
		"restart with PostgreSQL": {"depends_on: {db: {condition: service_healthy, restart: true}}", "depends_on:\n      db:\n        condition: service_healthy\n        restart: true\n"},
		"restart with another":    {"depends_on: {cache: {condition: service_started, restart: true}}", "cache:\n        condition: service_started\n        restart: true\n"},
		"an env_file to come":     {"env_file: [{path: ./local.env, required: false}]", "env_file:\n      - path: ./local.env\n        required: false\n"},
		"an empty env_file":       {"env_file: odoo.env", "env_file:\n      - \"./odoo.env\"\n"},
		"another host":            {"extra_hosts: [\"mail:10.0.0.5\"]", "extra_hosts:"},
		"another host, extended":  {"extends: {file: base.yml, service: odoo}", "extra_hosts:"},
		"time to stop":            {"stop_grace_period: 5m", "stop_grace_period: 5m\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := differenceOf(t, "services:\n  cache: {image: redis}\n  odoo:\n    image: odoo:17.0\n    environment: {HOST: db, USER: a, PASSWORD: b}\n    volumes: [\"./files:/var/lib/odoo\"]\n    "+c.odoo+dbService, map[string]string{"odoo.env": "# nothing yet\n", "base.yml": "services: {odoo: {extra_hosts: [\"mail:10.0.0.5\"]}}\n"})
			if !strings.Contains(string(d.Override), c.want) {
				t.Errorf("no %q in\n%s", c.want, d.Override)
			}
		})
	}
}

// PostgreSQL is given as much time to stop as it had, and never less than odpm gives it.
func TestStopGracePeriod(t *testing.T) {
	for period, want := range map[string]bool{"10m": true, "10s": false} {
		d, _ := differenceOf(t, "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: [\"./files:/var/lib/odoo\"]}"+
			strings.Replace(dbService, "{image", "{stop_grace_period: "+period+", image", 1), nil)
		if got := strings.Contains(string(d.Override), "stop_grace_period: "+period); got != want {
			t.Errorf("%s: carried over %t", period, got)
		}
	}
}
