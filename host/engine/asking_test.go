package engine

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestAnswersHaveAnEnd: a server that answers the login and the first question
// and then falls silent, or sends what is no answer, ends a command that only
// asks, and the error says which server it was and how long it was waited for.
func TestAnswersHaveAnEnd(t *testing.T) {
	const limit = 2 * time.Second
	ready := message('Z', "I")
	question := func(c net.Conn) bool {
		_, err := c.Read(make([]byte, 1<<16))
		return err == nil
	}
	for name, then := range map[string]func(c net.Conn){
		"silent": func(net.Conn) {},
		"drips whole notices": func(c net.Conn) {
			for {
				if _, err := c.Write(message('N', "SNOTICE\x00C00000\x00Mx\x00\x00")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		},
		"drips parts of a message": func(c net.Conn) {
			for _, b := range message('E', "SERROR\x00CXX000\x00M"+strings.Repeat("x", 100_000)+"\x00\x00") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := hostileServer(t, func(c net.Conn) {
				c.Write(append(message('R', "\x00\x00\x00\x00"), ready...))
				if !question(c) {
					return
				}
				c.Write(append(message('I', ""), ready...))
				// Between two questions there is all the time in the world.
				if question(c) {
					then(c)
					io.Copy(io.Discard, c)
				}
			})
			ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
			defer cancel()
			cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
			err := in(t, func() error {
				conn, err := connectGuarded(Asking(ctx, limit), cfg)
				if err != nil {
					t.Error(err)
					return nil
				}
				defer Close(conn)
				if _, err := conn.PgConn().Exec(ctx, "").ReadAll(); err != nil {
					t.Errorf("the first question: %v", err)
				}
				time.Sleep(limit + limit/4)
				var n int
				return conn.QueryRow(ctx, "SELECT 1").Scan(&n)
			})
			want := "the server at 127.0.0.1:"
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "did not answer within 2s") {
				t.Error(err)
			}
		})
	}
}
