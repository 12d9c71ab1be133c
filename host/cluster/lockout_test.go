package cluster_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/test/inherited/legacy"
)

func TestBusyServerIsNotLockedOut(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Conf: []string{"max_connections = 4", "superuser_reserved_connections = 1", "max_wal_senders = 0"}})
	var held []interface{ Close(context.Context) error }
	for {
		conn, err := engine.Connect(ctx, c, engine.Login{User: "postgres", Database: "postgres"})
		if err != nil {
			break
		}
		held = append(held, conn)
	}
	pid := c.Pid()
	_, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{})
	if err == nil || errors.Is(err, cluster.ErrNoAdmin) || c.Pid() != pid {
		t.Errorf("a full server: %v", err)
	}
	for _, h := range held {
		h.Close(ctx)
	}
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Admin(ctx, c, cluster.Hints{}, ""); err == nil || errors.Is(err, cluster.ErrNoAdmin) || !strings.Contains(err.Error(), "is not running") {
		t.Errorf("a stopped server: %v", err)
	}
}

func TestLockedOutAsksFirst(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`ALTER ROLE postgres NOLOGIN`}})
	pid := c.Pid()
	_, err := cluster.EnsureAppRole(ctx, external{c}, odoo, cluster.EnsureOptions{})
	if !errors.Is(err, cluster.ErrNoAdmin) || c.Pid() != pid {
		t.Fatalf("%v", err)
	}

	// Somebody else has the data directory: nothing is stopped.
	other := holder{c, engine.Holder{Kind: "container", Name: "acme-db-1", StopCommand: "docker stop acme-db-1"}}
	_, err = cluster.EnsureAppRole(ctx, other, odoo, cluster.EnsureOptions{})
	if err == nil || !strings.Contains(err.Error(), "docker stop acme-db-1") || c.Pid() != pid {
		t.Fatalf("%v", err)
	}

	// The caller cannot keep the roles: the server runs again, unchanged.
	full := errors.New("disk full")
	_, err = cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{BeforeChange: func(context.Context, []byte) error { return full }})
	if s, _ := c.Status(ctx); !errors.Is(err, full) || !s.Ready {
		t.Fatalf("%v, ready: %v", err, s.Ready)
	}
	if _, err := cluster.Admin(ctx, c, cluster.Hints{}, ""); !errors.Is(err, cluster.ErrNoAdmin) {
		t.Errorf("something was changed: %v", err)
	}

	// Single-user mode cannot work: the error says why, and the server runs.
	broken := failing{c}
	_, err = cluster.EnsureAppRole(ctx, broken, odoo, cluster.EnsureOptions{})
	if s, _ := c.Status(ctx); err == nil || strings.Contains(err.Error(), "SCRAM-SHA") || !s.Ready {
		t.Errorf("%v, ready: %v", err, s.Ready)
	}
	if strings.Contains(c.Log(), "SCRAM-SHA") {
		t.Error("a verifier is in the log")
	}
}

type holder struct {
	*legacy.Cluster
	other engine.Holder
}

func (h holder) Holders(ctx context.Context) ([]engine.Holder, error) {
	own, err := h.Cluster.Holders(ctx)
	return append(own, h.other), err
}

type failing struct{ *legacy.Cluster }

func (f failing) SingleUser(ctx context.Context, script string) (string, error) {
	if strings.Contains(script, "CREATE ROLE") {
		script = strings.Replace(script, "LOGIN NOSUPERUSER", "LOGIN NOSUPERUSER NONSENSE", 1)
	}
	return f.Cluster.SingleUser(ctx, script)
}

func TestStandbyIsSaid(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.ClusterDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("%v", err)
	}
	if f, err := cluster.Probe(ctx, c, cluster.Hints{}, "odoo"); err != nil || !f.InRecovery {
		t.Errorf("%+v %v", f, err)
	}
}

func TestLockedOutInLatin1(t *testing.T) {
	ctx := deadline(t)
	c := legacy.New(t, legacy.Spec{Major: 15})
	conn, err := cluster.Admin(ctx, c, cluster.Hints{}, "template1")
	if err == nil {
		_, err = conn.Exec(ctx, `ALTER DATABASE postgres RENAME TO utf8`)
	}
	if err == nil {
		_, err = conn.Exec(ctx, `CREATE DATABASE postgres TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`)
	}
	if err == nil {
		_, err = conn.Exec(ctx, `ALTER ROLE postgres NOLOGIN`)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	_, err = cluster.EnsureAppRole(ctx, c, cluster.Wanted{Role: "Ödoo", Password: "x"}, cluster.EnsureOptions{})
	if s, _ := c.Status(ctx); err == nil || !strings.Contains(err.Error(), "LATIN1") || !s.Ready {
		t.Errorf("%v, ready: %v", err, s.Ready)
	}
	if rep, err := cluster.EnsureAppRole(ctx, c, odoo, cluster.EnsureOptions{}); err != nil || !rep.SingleUser || !rep.Changed {
		t.Errorf("%+v %v", rep, err)
	}
}
