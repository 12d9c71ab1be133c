package world_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/test/localpg"
)

// TestReadWaitsForRecovery: a look waits for a server that answers 57P03 with a detail.
// A crash recovery does so since PostgreSQL 15, for a moment that no test can hold; a
// standby that lets nobody in gives the same answer until it is promoted.
func TestReadWaitsForRecovery(t *testing.T) {
	ctx, in := shop(t)
	bin, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	c, err := localpg.New(in.Project.Dir, bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Remove)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SQL("postgres", "CREATE ROLE odoo LOGIN CREATEDB PASSWORD 's3cret'"); err != nil {
		t.Fatal(err)
	}
	if err := c.Append("postgresql.conf", "hot_standby = off"); err != nil {
		t.Fatal(err)
	}
	if err := c.Demote(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		".env":      "ODPM_POSTGRES=external\nODPM_RUNTIME=native\n",
		"odoo.conf": fmt.Sprintf("[options]\ndb_host = 127.0.0.1\ndb_port = %d\ndb_user = odoo\ndb_password = s3cret\n", c.Port),
	} {
		if err := os.WriteFile(filepath.Join(in.Project.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if in, err = inputs.Read(ctx, in.Project.Dir, os.Environ(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	readers, err := engines.Open(ctx, in, engines.Options{})
	if err != nil {
		t.Fatal(err)
	}
	type read struct {
		w   *world.World
		err error
	}
	looked := make(chan read, 1)
	go func() {
		w, err := world.NewReader(in, readers).Read(ctx, world.Run{})
		looked <- read{w, err}
	}()
	refused := func() int {
		log, err := os.ReadFile(c.LogFile())
		if err != nil {
			t.Error(err)
		}
		return strings.Count(string(log), "is not accepting connections")
	}
	for had := false; !had; time.Sleep(10 * time.Millisecond) {
		select {
		case r := <-looked:
			t.Fatalf("the look did not wait: %v %v", r.w.Warnings, r.err)
		default:
			had = refused() > 1
		}
	}
	if err := c.Promote(); err != nil {
		t.Fatal(err)
	}
	r := <-looked
	if r.err != nil || r.w.Server == nil || len(r.w.Warnings) != 0 {
		t.Errorf("%+v %v", r.w, r.err)
	}
}
