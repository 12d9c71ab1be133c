package engine

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/test/peer"
)

// message frames a body as a server does.
func message(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

// hostileServer answers every login with what talk does.
func hostileServer(t *testing.T, talk func(c net.Conn)) *pgx.ConnConfig {
	t.Helper()
	addr := peer.Serve(t, func(c net.Conn) {
		defer c.Close()
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
			return
		}
		talk(c)
	})
	cfg, err := pgx.ParseConfig("host=127.0.0.1 sslmode=disable user=odoo password=s3cret dbname=postgres passfile=/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Port = uint16(addr.Port)
	cfg.Fallbacks = nil
	cfg.DialFunc = (&net.Dialer{}).DialContext
	return cfg
}

// in runs what must end in time.
func in(t *testing.T, do func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(2 * time.Minute):
		t.Fatal("it has no end")
		return nil
	}
}

// TestHostileLogin: a server that floods, claims a huge message, or wants a
// proof that takes minutes ends the login, and not odpm.
func TestHostileLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		talk func(c net.Conn)
		want string
	}{
		"notices": {func(c net.Conn) {
			notice := message('N', "SNOTICE\x00C00000\x00M"+strings.Repeat("x", 8000)+"\x00\x00")
			for {
				if _, err := c.Write(notice); err != nil {
					return
				}
			}
		}, "keeps sending notices"},
		"parameters": {func(c net.Conn) {
			c.Write(message('R', "\x00\x00\x00\x00"))
			status := message('S', "name\x00"+strings.Repeat("x", 8000)+"\x00")
			for {
				if _, err := c.Write(status); err != nil {
					return
				}
			}
		}, "keeps sending notices"},
		"huge": {func(c net.Conn) {
			c.Write([]byte{'R', 0x7f, 0xff, 0xff, 0xff})
			for {
				if _, err := c.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "invalid"},
		"negative": {func(c net.Conn) { c.Write([]byte{'R', 0xff, 0xff, 0xff, 0xf0, 'a'}); io.Copy(io.Discard, c) }, "invalid"},
		"silent":   {func(c net.Conn) { io.Copy(io.Discard, c) }, "deadline exceeded"},
		"drips": {func(c net.Conn) {
			for _, b := range message('E', "SFATAL\x00C57P03\x00M"+strings.Repeat("x", 100_000)+"\x00\x00") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := hostileServer(t, tt.talk)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if tt.want == "deadline exceeded" {
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			err := in(t, func() error { _, err := connectGuarded(ctx, cfg); return err })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
}

// TestDrip: a message that is begun is ended in time, whatever deadline the
// connection has or has not; silence between messages is the owner's to judge.
func TestDrip(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	g := &guarded{Conn: ours, time: 300 * time.Millisecond}
	whole := message('Z', "I")
	go func() {
		time.Sleep(500 * time.Millisecond) // longer than a message may take
		theirs.Write(whole)
		for _, b := range message('D', strings.Repeat("x", 1000)) {
			if _, err := theirs.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, err := io.ReadFull(g, make([]byte, len(whole))); err != nil {
		t.Fatal(err)
	}
	err := in(t, func() error { _, err := io.Copy(io.Discard, g); return err })
	if err == nil || !strings.Contains(err.Error(), "did not finish a message within") {
		t.Error(err)
	}
}

// TestGuardKeepsDeadlines: what cancels a query still does in the middle of a
// message.
func TestGuardKeepsDeadlines(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	g := &guarded{Conn: ours, time: time.Hour}
	go theirs.Write(message('D', strings.Repeat("x", 100))[:50])
	buf := make([]byte, 200)
	if _, err := io.ReadAtLeast(g, buf, 50); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { g.SetDeadline(time.Unix(1, 0)) })
	err := in(t, func() error { _, err := g.Read(buf); return err })
	if err == nil || strings.Contains(err.Error(), "did not finish a message") {
		t.Error(err)
	}
}

// TestReasonOfTheEnd: a server that was shut down meanwhile has said so, though the next
// query can no longer be sent.
func TestReasonOfTheEnd(t *testing.T) {
	closed := make(chan struct{})
	cfg := hostileServer(t, func(c net.Conn) {
		c.Write(message('R', "\x00\x00\x00\x00"))
		c.Write(message('Z', "I"))
		c.Write(message('E', "SFATAL\x00VFATAL\x00C57P01\x00Mterminating connection due to administrator command\x00\x00"))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		close(closed)
	})
	conn, err := connectGuarded(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(conn)
	<-closed
	_, err = conn.Exec(context.Background(), "SELECT 1")
	if err == nil || !strings.Contains(err.Error(), "57P01") {
		t.Errorf("%v", err)
	}
}
