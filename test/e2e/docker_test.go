package e2e

import (
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// inheritDocker MAJOR DIR [SQL] makes a cluster at DIR the way a person with
// the official image does: its files belong to the image's postgres, its
// superuser is postgres, and there is no application role.
func inheritDocker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: inherit-docker MAJOR DIR [SQL]")
	}
	dir, image := ts.MkAbs(args[1]), "postgres:"+args[0]
	ts.Check(os.MkdirAll(dir, 0o755))
	sql := ""
	if len(args) > 2 {
		sql = args[2]
	}
	pgdata := "/mnt"
	if args[0] >= "18" {
		pgdata = "/mnt/" + args[0] + "/docker"
	}
	// The label lets a script's end find a container that was left behind.
	script := `mkdir -p "$0" && chown -R postgres: /mnt && chmod 700 "$0" && exec setpriv --reuid=postgres --regid=postgres --clear-groups sh -c '
	initdb -D "$0" -U postgres --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --locale=C --no-sync >/dev/null &&
	echo "host all all all scram-sha-256" >> "$0/pg_hba.conf" &&
	postgres --single -D "$0" -c exit_on_error=on postgres >/dev/null' "$0"`
	cmd := exec.Command("docker", "run", "--rm", "-i", "--network", "none", "--label", "odpm.test="+ts.Getenv("PROJECT"),
		"-v", dir+":/mnt", "--user", "0", "--entrypoint", "sh", image, "-c", script, pgdata)
	cmd.Stdin = strings.NewReader(sql + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("%s: %v\n%s", image, err, out)
	}
}
