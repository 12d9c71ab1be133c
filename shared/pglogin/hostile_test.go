package pglogin_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/shared/pglogin"
)

// TestHostilePeer: whoever answers in the server's place ends the attempt
// neither late nor with a gigabyte in memory.
func TestHostilePeer(t *testing.T) {
	frame := func(kind byte, body string) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
	}
	endless := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}
	for name, talk := range map[string]func(net.Conn){
		"notices":    endless(frame('N', "SNOTICE\x00C00000\x00M"+strings.Repeat("x", 8000)+"\x00\x00")),
		"parameters": endless(frame('S', "name\x00"+strings.Repeat("x", 8000)+"\x00")),
		"a gigabyte": func(c net.Conn) {
			c.Write([]byte{'R', 0x3f, 0xff, 0xff, 0xff})
			endless(make([]byte, 1<<20))(c)
		},
		"drips": func(c net.Conn) {
			for _, b := range frame('E', "SFATAL\x00C57P03\x00M"+strings.Repeat("x", 100_000)+"\x00\x00") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						for {
							var head [8]byte
							if _, err := io.ReadFull(c, head[:]); err != nil {
								return
							}
							n := binary.BigEndian.Uint32(head[:])
							if n == 8 { // TLS or GSS encryption?
								c.Write([]byte("N"))
								continue
							}
							io.CopyN(io.Discard, c, int64(n)-8)
							break
						}
						talk(c)
					}()
				}
			}()
			ended := make(chan error, 1)
			go func() {
				_, err := pglogin.Login(context.Background(), pglogin.Config{
					Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "odoo", Password: "x", AttemptTimeout: 2 * time.Second,
				})
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("it was believed")
				}
			case <-time.After(time.Minute):
				t.Fatal("it has no end")
			}
		})
	}
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	if mib := r.Maxrss >> 10; mib > 300 {
		t.Errorf("it took %d MiB", mib)
	}
}
