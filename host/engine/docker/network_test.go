package docker_test

import (
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// It is what the engine itself writes for host-gateway, also where its bridge has just
// been made and does not say its own address.
func TestGateway(t *testing.T) {
	need(t, bystander)
	dir := t.TempDir()
	e := docker.New(docker.Options{Project: "odpm-nobody", Service: "db", OdooService: "odoo", Dir: dir, DataDir: dir, VolumeName: "v"})
	got, err := e.Gateway(limit(t))
	hosts := run(t, "run", "--rm", "--add-host", "this-machine:host-gateway", "--entrypoint", "cat", bystander, "/etc/hosts")
	if err != nil || got == "" || !strings.Contains(hosts, got+"\tthis-machine\n") {
		t.Errorf("%q %v, and in a container:\n%s", got, err, hosts)
	}
}
