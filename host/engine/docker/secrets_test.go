package docker_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
)

// watchArguments reads every process's arguments, containers' included, until
// the answer is asked for.
func watchArguments(t *testing.T, secret string) func() []string {
	t.Helper()
	stop, done := make(chan struct{}), make(chan []string)
	go func() {
		var found []string
		for {
			select {
			case <-stop:
				done <- found
				return
			case <-time.After(10 * time.Millisecond):
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, f := range files {
				data, _ := os.ReadFile(f)
				if bytes.Contains(data, []byte(secret)) {
					found = append(found, string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
				}
			}
		}
	}()
	return func() []string {
		close(stop)
		return <-done
	}
}

// runSecrets gives a secret to everything that takes one, each for a moment.
func runSecrets(ctx context.Context, t *testing.T, e *docker.Engine, o docker.Options) {
	t.Helper()
	const secret = "s3cr3t-of-ours"
	var out bytes.Buffer
	err := e.Command(ctx, engine.Command{
		Argv: []string{"psql", "-XAtU", "postgres"}, Env: []string{"PGPASSWORD=" + secret, "OWN=" + secret}, Stdout: &out,
		Stdin: strings.NewReader("\\getenv s OWN\nSELECT :'s', pg_sleep(0.5);\n"),
	})
	if err != nil || !strings.Contains(out.String(), secret) {
		t.Errorf("%q %v", out.String(), err)
	}
	out.Reset()
	err = e.RunOnce(ctx, engine.RunOnce{
		Service: "db", NoDeps: true, Entrypoint: "sh", Env: []string{"OWN=" + secret}, Stdout: &out, Args: []string{"-c", `sleep 0.5; echo "$OWN"`},
	})
	if err != nil || strings.TrimSpace(out.String()) != secret {
		t.Errorf("%q %v", out.String(), err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE x PASSWORD '"+secret+"'; SELECT pg_sleep(0.5);"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
