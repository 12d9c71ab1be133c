//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

const (
	replicas = 25
	password = "s3cret-node"
)

// TestNode runs what odpm renders: 25 replicas are started while no server
// takes writes, and all of them get through the failover; Jobs install and
// update modules; and what the init containers proved comes back to the
// project. The commands are those of the page and of the rendered files.
func TestNode(t *testing.T) {
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	possible(t)
	dir, err := os.MkdirTemp("", "odpm-node")
	must(t, err)
	borrow(t, dir)
	bin := filepath.Join(dir, "bin")
	must(t, os.Mkdir(bin, 0o755))
	must(t, programs.Build(bin, nil, programs.ODPM, programs.Checker))
	odoo := image(t, bin, "odoo", "FROM odoo:18.0\nCOPY odpm-checker /usr/local/bin/odpm-checker\n")
	checker := image(t, bin, "checker", "FROM scratch\nCOPY odpm-checker /odpm-checker\nENTRYPOINT [\"/odpm-checker\"]\n")
	// What holds a pod's namespaces only has to stay.
	pause := image(t, bin, "pause", "FROM odoo:18.0\nENTRYPOINT [\"sleep\", \"infinity\"]\n")
	begun := time.Now()
	n := startNode(t, dir, bin, pause, odoo, checker)
	t.Logf("the node was ready after %.1f s", time.Since(begun).Seconds())
	primary, standby := n.servers(t)
	n.prepare(t, filepath.Join(dir, "files"))

	major := n.sql(t, standby, "postgres", "SELECT current_setting('server_version_num')::int / 10000")
	project := filepath.Join(dir, "project")
	must(t, os.Mkdir(project, 0o755))
	write(t, filepath.Join(project, ".env"), "ODPM_POSTGRES=external\nODPM_SCENARIO=server\nODOO_IMAGE="+odoo+"\nCOMPOSE_PROJECT_NAME="+filepath.Base(dir)+"\n")
	write(t, filepath.Join(project, "odpm.json"), `{"odoo_version": "18.0", "postgres_version": "`+major+`"}`)
	write(t, filepath.Join(project, "odoo.conf"), fmt.Sprintf("[options]\ndb_host = %s,%s\ndb_port = %d\ndb_user = odoo\ndb_password = %s\n", n.bridge.first, n.bridge.second, primary.Port, password))
	sh := func(script string) string {
		t.Helper()
		out, err := n.sh(project, script)
		if err != nil {
			t.Fatalf("%s\n%v\n%s\n%s", script, err, out, n.seen())
		}
		return out
	}
	render := "odpm render kubernetes --namespace shop --secret pg-app "
	apply, update, drift := page(t)

	// Nothing takes writes when the pods are made.
	must(t, primary.Stop(syscall.SIGQUIT))
	sh(render + "--network-policy --replicas " + strconv.Itoa(replicas) + " > odoo.yaml")
	begun = time.Now()
	sh(apply)
	until(t, "every init container waits for a primary", func() (bool, string) {
		out, _ := n.kubectl("-n", "shop", "logs", "-l", "app.kubernetes.io/component=web", "-c", "prove", "--prefix", "--tail=-1", "--ignore-errors", "--max-log-requests=50")
		waiting := map[string]bool{}
		for line := range strings.Lines(out) {
			if strings.Contains(line, "reason=standby") {
				waiting[strings.Fields(line)[0]] = true
			}
		}
		return len(waiting) == replicas, fmt.Sprintf("%d of %d\n%s", len(waiting), replicas, n.seen())
	}, n.needs...)
	t.Logf("%d init containers waited for a primary after %.1f s", replicas, time.Since(begun).Seconds())
	before, begun := logins(t, standby), time.Now()
	until(t, "they have asked again and again", func() (bool, string) {
		now := logins(t, standby)
		return now >= before+8*replicas, strconv.Itoa(now - before)
	}, n.needs...)
	rate := float64(logins(t, standby)-before) / replicas / time.Since(begun).Seconds()
	t.Logf("each logged in to the standby %.1f times a second", rate)
	if rate > 5 {
		t.Errorf("each init container logged in to the standby %.1f times a second", rate)
	}
	before, begun = logins(t, standby), time.Now()
	must(t, standby.Promote())
	sh("kubectl -n shop rollout status deployment/odoo --timeout=10m")
	took := time.Since(begun)
	rate = float64(logins(t, standby)-before) / replicas / took.Seconds()
	t.Logf("%d replicas were ready %.1f s after the promotion; each logged in %.1f times a second", replicas, took.Seconds(), rate)
	if rate > 10 {
		t.Errorf("the new primary had %.1f logins a second for each replica", rate)
	}
	n.proven(t, standby)

	// A Job with the checker in an image of its own, and one with Odoo's.
	install := render + "--database prod --init base,sale --replicas 2 --checker-image " + checker
	sh(install + " > install.yaml")
	for _, command := range commands(t, filepath.Join(project, "install.yaml")) {
		sh(strings.ReplaceAll(command, "FILE", "install.yaml"))
		if strings.Contains(command, " create ") {
			if out, err := n.sh(project, "kubectl create -f install.yaml"); err == nil || !strings.Contains(out, "already exists") {
				t.Errorf("a second Job at once: %v %s", err, out)
			}
		}
	}
	if got := n.sql(t, standby, "prod", "SELECT state FROM ir_module_module WHERE name = 'sale'"); got != "installed" {
		t.Errorf("the module is %q after the installation", got)
	}
	sh("kubectl -n shop rollout status deployment/odoo --timeout=5m")
	n.sql(t, standby, "prod", "UPDATE ir_module_module SET latest_version = '0' WHERE name = 'sale'")
	sh(render + "--database prod --update sale > update.yaml")
	sh(update)
	if got := n.sql(t, standby, "prod", "SELECT latest_version FROM ir_module_module WHERE name = 'sale'"); got == "0" {
		t.Errorf("the module is of version %q after the update", got)
	}
	sh("kubectl -n shop rollout status deployment/odoo --timeout=5m")

	out := sh(drift)
	baseline, _, _ := strings.Cut(out, "\n\n")
	t.Log(baseline)
	for _, want := range []string{"same     system_identifier", "same     pg_major           " + major, "same     app_role           odoo",
		"same     endpoint           " + n.bridge.second, "same     server             primary"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(baseline, "differs") || strings.Contains(out, password) {
		t.Errorf("%s", out)
	}
	sh("kubectl delete -f odoo.yaml --timeout=5m")
}

// servers are a primary and its standby on this machine, on one port of the two
// addresses that the pods reach.
func (n *node) servers(t *testing.T) (primary, standby *localpg.Cluster) {
	t.Helper()
	// The distribution's: the others come without pg_basebackup.
	bin, err := localpg.Bin("")
	must(t, err)
	primary, err = localpg.New("", bin, "listen_addresses = '127.0.0.1,"+n.bridge.first+"'", "log_connections = on", "max_connections = 300")
	must(t, err)
	t.Cleanup(primary.Remove)
	must(t, primary.Append("pg_hba.conf", "host all all "+n.bridge.subnet+" scram-sha-256"))
	must(t, primary.Start())
	_, err = primary.SQL("postgres", "CREATE ROLE odoo LOGIN CREATEDB PASSWORD '"+password+"'")
	must(t, err)
	standby, err = primary.Standby()
	must(t, err)
	t.Cleanup(standby.Remove)
	// It was made on a port of its own; a list of hosts has one port for all.
	must(t, standby.Stop(syscall.SIGINT))
	must(t, standby.Append("postgresql.conf", "listen_addresses = '"+n.bridge.second+"'", "port = "+strconv.Itoa(primary.Port)))
	standby.Port = primary.Port
	must(t, standby.Launch())
	until(t, "the standby answers", func() (bool, string) {
		out, err := n.psql(standby, "postgres", "SELECT pg_is_in_recovery()")
		return err == nil && out == "t", out
	})
	return primary, standby
}
