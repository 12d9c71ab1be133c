package pglogin_test

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/pglogin"
)

// waiting runs Wait aside and collects the reasons that it reported.
type waiting struct {
	mu      sync.Mutex
	reasons []string
	res     *pglogin.Result
	err     error
	took    time.Duration
	done    chan struct{}
}

func wait(ctx context.Context, cfg pglogin.Config, timeout time.Duration) *waiting {
	w := &waiting{done: make(chan struct{})}
	start := time.Now()
	go func() {
		defer close(w.done)
		w.res, w.err = pglogin.Wait(ctx, cfg, pglogin.WaitOptions{Timeout: timeout,
			OnChange: func(e *pglogin.Error, _ time.Duration) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.reasons = append(w.reasons, e.Reason.String())
			}})
		w.took = time.Since(start)
	}()
	return w
}

// reports waits until it has reported a reason.
func (w *waiting) reports(t *testing.T, reason string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		seen := slices.Contains(w.reasons, reason)
		w.mu.Unlock()
		if seen {
			return
		}
	}
	t.Fatalf("%q is not reported", reason)
}

func (w *waiting) end(t *testing.T) *waiting {
	t.Helper()
	select {
	case <-w.done:
	case <-time.After(30 * time.Second):
		t.Fatal("Wait did not end")
	}
	return w
}

func TestWaitUntilItListens(t *testing.T) {
	c := start(t)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	w := wait(t.Context(), config(c), 0)
	w.reports(t, "refused")
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	w.end(t)
	if w.err != nil {
		t.Fatal(w.err)
	}
	if w.reasons[0] != "refused" || len(w.reasons) > 3 {
		t.Errorf("reasons %v", w.reasons)
	}
}

// TestWaitByName: a name may get another address meanwhile, so the name is
// asked again and the port as well.
func TestWaitByName(t *testing.T) {
	c := start(t)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cfg := config(c)
	cfg.Host = "localhost"
	w := wait(t.Context(), cfg, 0)
	time.Sleep(2500 * time.Millisecond)
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	if w.end(t); w.err != nil {
		t.Fatal(w.err)
	}
}

func TestWaitDeadline(t *testing.T) {
	w := wait(t.Context(), pglogin.Config{Host: "127.0.0.1", Port: 1, User: "odoo"}, 400*time.Millisecond).end(t)
	e := wantReason(t, w.err, pglogin.Refused)
	if e.Waited < 400*time.Millisecond || w.took > 20*time.Second {
		t.Errorf("waited %s, took %s", e.Waited, w.took)
	}
	if !strings.HasPrefix(e.Error(), "PostgreSQL was not ready after 400ms: nothing listens on 127.0.0.1:1") {
		t.Error(e)
	}
}

// TestWaitEndsAtOnce: a refusal is no matter of patience.
func TestWaitEndsAtOnce(t *testing.T) {
	c := shared(t)
	cfg := config(c)
	cfg.Password = "wrong"
	w := wait(t.Context(), cfg, 0).end(t)
	e := wantReason(t, w.err, pglogin.WrongPassword)
	if w.took > 20*time.Second || e.Waited != 0 || len(w.reasons) != 0 || e.SQLState != "28P01" {
		t.Errorf("took %s, waited %s, reported %v, %s", w.took, e.Waited, w.reasons, e.SQLState)
	}
}

// TestWaitBehindPublishedPort: docker-proxy accepts while nothing listens
// behind it and closes at once.
func TestWaitBehindPublishedPort(t *testing.T) {
	c := shared(t)
	var open atomic.Bool
	cfg := config(c)
	cfg.Port = proxy(t, c.Port, func(int, net.Conn) bool { return open.Load() })
	w := wait(t.Context(), cfg, 0)
	w.reports(t, "closed")
	open.Store(true)
	if w.end(t); w.err != nil || !slices.Equal(w.reasons, []string{"closed"}) {
		t.Errorf("%v %v", w.err, w.reasons)
	}
}

// TestWaitConnectionLost cuts the connection at every stage of a login; each
// time the next attempt makes up for it.
func TestWaitConnectionLost(t *testing.T) {
	c := shared(t)
	for _, cut := range []int{1, 2, 10, 30, 60, 100, 200} {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			cfg := config(c)
			cfg.Port = proxy(t, c.Port, func(n int, in net.Conn) bool {
				if n > 0 {
					return true
				}
				out, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.Port))
				if err != nil {
					return false
				}
				defer out.Close()
				go copyAll(out, in)
				buf := make([]byte, 1)
				for range cut {
					if _, err := out.Read(buf); err != nil {
						break
					}
					in.Write(buf)
				}
				return false
			})
			if w := wait(t.Context(), cfg, 10*time.Second).end(t); w.err != nil {
				t.Errorf("%v after %v", w.err, w.reasons)
			}
		})
	}
}

// TestWaitClassifiesRecovery: with and without the detail that only a server
// before its consistent state gives; a promotion ends it.
func TestWaitClassifiesRecovery(t *testing.T) {
	c := start(t)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	touch := exec.Command("touch", filepath.Join(c.Dir, "standby.signal"))
	if out, err := touch.CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	if err := c.Append("postgresql.conf", "hot_standby = off"); err != nil {
		t.Fatal(err)
	}
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	// A busy machine takes longer to listen than the wait below is long.
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port))); err == nil {
			conn.Close()
			break
		}
	}
	w := wait(t.Context(), config(c), 1500*time.Millisecond).end(t)
	e := wantReason(t, w.err, pglogin.Recovering)
	if e.SQLState != "57P03" || e.Waited == 0 {
		t.Errorf("%+v", e)
	}
}

// TestPaceOfStartingUp counts the attempts that a server sees which answers
// 57P03: at least every 60 ms in the first second, at most a handful later.
func TestPaceOfStartingUp(t *testing.T) {
	var first, later atomic.Int32
	begin := time.Now()
	port := proxy(t, 0, func(_ int, c net.Conn) bool {
		if time.Since(begin) < time.Second {
			first.Add(1)
		} else {
			later.Add(1)
		}
		refuse(c, &pgproto3.ErrorResponse{Code: "57P03", Message: "the database system is starting up", Routine: "ProcessStartupPacket"})
		return false
	})
	w := wait(t.Context(), pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo"}, 5*time.Second).end(t)
	wantReason(t, w.err, pglogin.StartingUp)
	if n := first.Load(); n < 17 || n > 120 {
		t.Errorf("%d attempts in the first second", n)
	}
	if n := later.Load(); n < 3 || n > 25 {
		t.Errorf("%d attempts in the four seconds after it", n)
	}
	if len(w.reasons) != 1 {
		t.Errorf("reported %v", w.reasons)
	}
}

// TestStartingUpIsAskedForTLSOnce: a server without TLS says so in each of its
// answers, and the login that succeeds need not wait for it once more.
func TestStartingUpIsAskedForTLSOnce(t *testing.T) {
	c := shared(t)
	asked := make(chan bool, 100)
	cfg := config(c)
	cfg.Also = []string{"template1"}
	cfg.Port = proxy(t, c.Port, func(n int, in net.Conn) bool {
		if n < 3 {
			asked <- refuse(in, &pgproto3.ErrorResponse{Code: "57P03", Message: "the database system is starting up"})
			return false
		}
		// The first bytes are only looked at.
		raw, err := in.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Error(err)
			return false
		}
		head := make([]byte, 8)
		raw.Read(func(fd uintptr) bool {
			got, _, _ := syscall.Recvfrom(int(fd), head, syscall.MSG_PEEK)
			return got == len(head)
		})
		asked <- binary.BigEndian.Uint32(head[4:]) == 80877103
		return true
	})
	w := wait(t.Context(), cfg, 0).end(t)
	if w.err != nil || !w.res.Databases["template1"] {
		t.Fatalf("%v %+v", w.err, w.res)
	}
	close(asked)
	var all []bool
	for a := range asked {
		all = append(all, a)
	}
	if !slices.Equal(all, []bool{true, false, false, false, false}) {
		t.Errorf("asked for TLS: %v", all)
	}
}

// TestTLSAfterStartingUp: another server, which wants TLS, takes the place of
// one that had none, within the moment for which the answer is believed.
func TestTLSAfterStartingUp(t *testing.T) {
	c := start(t)
	hba := filepath.Join(c.Dir, "pg_hba.conf")
	text, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, []byte(strings.ReplaceAll(string(text), "\nhost ", "\nhostssl ")), 0o600); err != nil {
		t.Fatal(err)
	}
	withTLS(t, c)
	before := logged(t, c, "no encryption")
	cfg := config(c)
	cfg.Port = proxy(t, c.Port, func(n int, in net.Conn) bool {
		if n < 2 {
			refuse(in, &pgproto3.ErrorResponse{Code: "57P03", Message: "the database system is starting up"})
		}
		return n >= 2
	})
	w := wait(t.Context(), cfg, 0).end(t)
	if w.err != nil || !w.res.TLS {
		t.Errorf("%v %+v", w.err, w.res)
	}
	if n := logged(t, c, "no encryption") - before; n != 1 {
		t.Errorf("%d logins without TLS were refused, want the one that did not ask", n)
	}
}

// TestWrongPasswordAfterStartingUp is tried once: every failure is a line in
// the server's log, and may lock the role out.
func TestWrongPasswordAfterStartingUp(t *testing.T) {
	c := start(t)
	cfg := config(c)
	cfg.Password = "wrong"
	cfg.Port = proxy(t, c.Port, func(n int, in net.Conn) bool {
		if n < 2 {
			refuse(in, &pgproto3.ErrorResponse{Code: "57P03", Message: "the database system is starting up"})
		}
		return n >= 2
	})
	w := wait(t.Context(), cfg, 0).end(t)
	wantReason(t, w.err, pglogin.WrongPassword)
	if n := logged(t, c, "password authentication failed"); n != 1 {
		t.Errorf("%d logins failed", n)
	}
}

// TestUnfamiliarCodes: classes that pass and classes that do not.
func TestUnfamiliarCodes(t *testing.T) {
	for code, transient := range map[string]bool{
		"40001": true, "25006": true, "53200": true, "58000": true, "XX000": true, "08P01": true, "57P01": true, "57P02": true, "55006": true,
		"0A000": false, "28000": false, "22023": false, "": false, "3D000": false,
	} {
		port := proxy(t, 0, func(_ int, c net.Conn) bool {
			refuse(c, &pgproto3.ErrorResponse{Code: code, Message: "no\x1b[31m\nway"})
			return false
		})
		_, err := pglogin.Login(t.Context(), pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo"})
		if pglogin.IsTransient(err) != transient {
			t.Errorf("%q: %v", code, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("control characters: %q", err)
		}
	}
}
