package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

// started is what the program behind the checker says.
const started = "the program was started"

// sslModes are those that a fault is met with.
var sslModes = []string{"disable", "prefer", "require", "verify-full"}

// netPlace is a server for proxies to stand in front of.
func netPlace(t *tries) (*localpg.Cluster, tls.Certificate, error) {
	pem, key, err := localpg.Certificate("localhost")
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(pem, key)
	if err != nil {
		return nil, cert, err
	}
	bin, err := localpg.Bin("15")
	if err != nil {
		return nil, cert, err
	}
	c, err := localpg.New("", bin)
	if err != nil {
		return nil, cert, err
	}
	if err = c.Start(); err == nil {
		_, err = c.SQL("postgres", "CREATE ROLE odoo LOGIN PASSWORD 'odoo'")
	}
	if err == nil {
		_, err = c.WithTLS("localhost")
	}
	return c, cert, err
}

// atOnce tries n things, some of them at once: they mostly wait.
func (t *tries) atOnce(n int, try func(n int, rng *rand.Rand) error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 8)
	for n := range n {
		slots <- struct{}{}
		rng := rand.New(rand.NewPCG(t.rng.Uint64(), t.rng.Uint64()))
		all.Go(func() {
			defer func() { <-slots }()
			err := try(n, rng)
			mu.Lock()
			defer mu.Unlock()
			t.tried(err)
		})
	}
	all.Wait()
}

// pick gives each that is fixed in turn, and chance between them.
func pick(n int, fixed []wrong, rng *rand.Rand) wrong {
	if n%2 == 0 {
		return fixed[n/2%len(fixed)]
	}
	return chance(rng)
}

// checkerNetwork: a program is started behind a login alone, and in time;
// after a fault that goes, it is.
func checkerNetwork(t *tries) error {
	c, cert, err := netPlace(t)
	if err != nil {
		return err
	}
	defer c.Remove()
	fixed := wrongs(cert)
	server := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port))
	t.atOnce(t.times(2*len(fixed), 2000), func(n int, rng *rand.Rand) error {
		w, mode := pick(n, fixed, rng), sslModes[rng.IntN(3)]
		first := -1
		if rng.IntN(4) == 0 {
			first = 1 + rng.IntN(2)
		}
		if err := t.checkerMeets(server, first, w, mode); err != nil {
			return fmt.Errorf("%s, sslmode %s, %d connections: %w", w.name, mode, first, err)
		}
		return nil
	})
	return nil
}

func (t *tries) checkerMeets(server string, first int, w wrong, mode string) error {
	p, err := newProxy(server, first, w)
	if err != nil {
		return err
	}
	defer p.l.Close()
	timeout := "2s"
	if first > 0 {
		timeout = "60s" // far more than it needs
	}
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(t.bin, "odpm-checker"), "--timeout", timeout, "--attempt-timeout", "1s", "--no-record", "--", "echo", started)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "PGHOST=127.0.0.1", "PGPORT=" + p.port(), "PGUSER=odoo", "PGPASSWORD=odoo", "PGSSLMODE=" + mode}
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	code := cmd.ProcessState.ExitCode()
	begun := strings.Contains(string(out), "\n"+started)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("it did not end\n%s", out)
	case crashed(out):
		return fmt.Errorf("it crashed\n%s", out)
	case begun != (code == 0), !slices.Contains([]int{0, 69, 77, 78}, code):
		return fmt.Errorf("exit code %d, %v\n%s", code, err, out)
	case code == 69 && time.Since(begin) > time.Minute:
		return fmt.Errorf("it took %s for 2\n%s", time.Since(begin), out)
	case code == 0 && first < 0 && !w.server:
		return fmt.Errorf("the program was started behind no login\n%s", out)
	case code == 69 && first > 0 && w.mute:
		return fmt.Errorf("it did not log in when the server was there\n%s", out)
	}
	return nil
}

// hostNetwork has odpm's own commands meet the same, a server elsewhere.
func hostNetwork(t *tries) error {
	c, cert, err := netPlace(t)
	if err != nil {
		return err
	}
	defer c.Remove()
	fixed := wrongs(cert)
	server := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port))
	commands := [][]string{{"plan"}, {"database", "status"}, {"database", "list"}, {"--no-input"}, {"-d", "none", "--db-backup", "none.zip", "--no-input"}, {"doctor"}}
	t.atOnce(t.times(len(fixed), 1000), func(n int, rng *rand.Rand) error {
		w, mode, args := pick(n, fixed, rng), sslModes[rng.IntN(len(sslModes))], commands[rng.IntN(len(commands))]
		if err := t.hostMeets(server, w, mode, args); err != nil {
			return fmt.Errorf("%s, sslmode %s: %w", w.name, mode, err)
		}
		return nil
	})
	return nil
}

func (t *tries) hostMeets(server string, w wrong, mode string, args []string) error {
	p, err := newProxy(server, -1, w)
	if err != nil {
		return err
	}
	defer p.l.Close()
	dir, err := os.MkdirTemp("/tmp", "odpm-torture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"odpm.json": `{"odoo_version": "18.0"}`,
		".env":      "ODPM_POSTGRES=external\nODPM_RUNTIME=native\n",
		"odoo.conf": fmt.Sprintf("[options]\ndb_host = 127.0.0.1\ndb_port = %s\ndb_user = odoo\ndb_password = odoo\ndb_sslmode = %s\n", p.port(), mode),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	at := &place{t: t, dir: dir}
	said := at.odpm(args...)
	if said != nil && !isExit(said) {
		return said
	}
	if _, err := snapshot.Load(filepath.Join(dir, ".odpm/database", snapshot.FileName)); !w.server && !errors.Is(err, snapshot.ErrMissing) {
		return fmt.Errorf("it recorded a login that was none: %v", err)
	}
	return nil
}
