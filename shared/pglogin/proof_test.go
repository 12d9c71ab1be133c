package pglogin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/pglogin"
)

// asksFor is a server that asks every login for so many iterations under SCRAM,
// and tells when a client that it asked answers or is gone.
func asksFor(t *testing.T, iterations int) (port int, ended chan bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ended = make(chan bool, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if demand(c, iterations) {
					ended <- true
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, ended
}

func demand(c net.Conn, iterations int) (asked bool) {
	backend := pgproto3.NewBackend(c, c)
	for {
		m, err := backend.ReceiveStartupMessage()
		if err != nil {
			return false
		}
		if _, ok := m.(*pgproto3.SSLRequest); !ok {
			break
		}
		c.Write([]byte("N"))
	}
	backend.Send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}})
	backend.Flush()
	backend.SetAuthType(pgproto3.AuthTypeSASL)
	m, err := backend.Receive()
	first, ok := m.(*pgproto3.SASLInitialResponse)
	if err != nil || !ok {
		return false
	}
	_, nonce, _ := bytes.Cut(first.Data, []byte("r="))
	backend.Send(&pgproto3.AuthenticationSASLContinue{Data: fmt.Appendf(nil, "r=%sx,s=c2FsdA==,i=%d", nonce, iterations)})
	backend.Flush()
	backend.SetAuthType(pgproto3.AuthTypeSASLContinue)
	backend.Receive()
	return true
}

// TestProofKeepsTheDeadline: ten million iterations are seconds of computing,
// which the end of the time or a signal does not wait for.
func TestProofKeepsTheDeadline(t *testing.T) {
	port, ended := asksFor(t, 10_000_000)
	cfg := pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo", Password: "x"}
	const short = 500 * time.Millisecond
	signal := errors.New("signal")
	for name, login := range map[string]func() error{
		"deadline": func() error {
			_, err := pglogin.Wait(t.Context(), cfg, pglogin.WaitOptions{Timeout: short})
			return err
		},
		"deadline of a second attempt": func() error {
			cfg := cfg
			cfg.AttemptTimeout = short
			_, err := pglogin.Wait(t.Context(), cfg, pglogin.WaitOptions{Timeout: short * 3 / 2})
			return err
		},
		"one attempt": func() error {
			cfg := cfg
			cfg.AttemptTimeout = short
			_, err := pglogin.Login(t.Context(), cfg)
			return err
		},
		"signal": func() error {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(short, func() { cancel(signal) })
			_, err := pglogin.Wait(ctx, cfg, pglogin.WaitOptions{})
			return err
		},
	} {
		err := login()
		select {
		case <-ended:
			t.Errorf("%s: held until the proof was computed", name)
			continue
		case <-time.After(50 * time.Millisecond):
		}
		<-ended
		if name == "signal" {
			if !errors.Is(err, signal) {
				t.Errorf("signal: %v", err)
			}
			continue
		}
		wantReason(t, err, pglogin.Timeout)
		var e *pglogin.Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), "asks for 10000000 SCRAM iterations") || !strings.Contains(e.Next(), "--attempt-timeout") || !strings.Contains(e.Next(), "scram_iterations") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyIterations: administrators may ask for many, and libpq does them.
func TestManyIterations(t *testing.T) {
	c := launchMajor(t, "18")
	t.Cleanup(c.Remove)
	sql(t, c, "SET scram_iterations = 500000", "CREATE ROLE thorough LOGIN PASSWORD 'x'")
	cfg := config(c)
	cfg.User, cfg.Password, cfg.AttemptTimeout = "thorough", "x", time.Minute
	if _, err := pglogin.Login(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	cfg.Password = "y"
	_, err := pglogin.Login(t.Context(), cfg)
	wantReason(t, err, pglogin.WrongPassword)

	port, _ := asksFor(t, 10_000_001)
	cfg = pglogin.Config{Host: "127.0.0.1", Port: port, User: "odoo", Password: "x"}
	_, err = pglogin.Login(t.Context(), cfg)
	wantReason(t, err, pglogin.LoginRefused)
	if !strings.Contains(err.Error(), "more than "+strconv.Itoa(10_000_000)+" SCRAM iterations") {
		t.Error(err)
	}
}
