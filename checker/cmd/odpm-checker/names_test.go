package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// names is a name server as a cluster of Kubernetes has one: it knows
// pg-rw.shop.svc.cluster.local, and what that is changes.
type names struct {
	addr string

	mu    sync.Mutex
	is    answer
	asked int
}

// answer is the name's: an address, else a code of the protocol, where 0 means
// that the name has no address.
type answer struct {
	addr net.IP
	code byte
}

const (
	noAddress = 0
	servFail  = 2
	nxDomain  = 3
)

func newNames(t *testing.T) *names {
	t.Helper()
	// The port is always 53, so the address is one of its own.
	n := &names{addr: fmt.Sprintf("127.53.%d.%d", os.Getpid()>>8&0xff, max(1, os.Getpid()&0xff)), is: answer{code: nxDomain}}
	conn, err := net.ListenPacket("udp", n.addr+":53")
	if err != nil {
		t.Fatalf("%v (root is needed)", err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := n.reply(buf[:size]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	}()
	return n
}

// becomes changes what the name is, and gives how often it was asked for before.
func (n *names) becomes(a answer) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.is = a
	return n.asked
}

func (n *names) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// reply answers a question, of which there is one (RFC 1035, 4.1).
func (n *names) reply(q []byte) []byte {
	var labels []string
	i := 12
	for i < len(q) && q[i] != 0 {
		end := i + 1 + int(q[i])
		if end > len(q) {
			return nil
		}
		labels = append(labels, string(q[i+1:end]))
		i = end
	}
	if i+5 > len(q) {
		return nil
	}
	kind, question := int(q[i+1])<<8|int(q[i+2]), q[12:i+5]
	n.mu.Lock()
	defer n.mu.Unlock()
	is := answer{code: nxDomain}
	if strings.Join(labels, ".") == "pg-rw.shop.svc.cluster.local" {
		is = n.is
		n.asked++
	}
	head := []byte{q[0], q[1], 0x84, is.code, 0, 1, 0, 0, 0, 0, 0, 0}
	reply := append(head, question...)
	if v4 := is.addr.To4(); v4 != nil && kind == 1 {
		head[7] = 1
		reply = append(append(append([]byte(nil), head...), question...), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4)
		reply = append(reply, v4...)
	}
	return reply
}

// TestNameThatMoves: a Service has no address before its first pod is ready, and
// another one after a failover. What stands behind the old address then may be
// anything: nothing, a machine that is frozen, the standby. The name lives for 30 s,
// as far as the name server is concerned.
func TestNameThatMoves(t *testing.T) {
	c := startServer(t, nil)
	standby := standbyOf(t, c)
	dns := newNames(t)
	root := t.TempDir()
	for d := root; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	program, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "odpm-checker"), program, 0o755))
	write(t, filepath.Join(root, "etc", "resolv.conf"), "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver "+dns.addr+"\noptions ndots:5\n")

	// The same port on every address, as behind a Service.
	old, promoted := net.ParseIP("127.54.0.1"), net.ParseIP("127.54.0.2")
	l, err := net.Listen("tcp", old.String()+":0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())
	at := func(ip net.IP) string { return net.JoinHostPort(ip.String(), strconv.Itoa(port)) }
	forward(t, at(promoted), "127.0.0.1:"+strconv.Itoa(c.Port))

	for _, tc := range []struct {
		name, reason string
		first        answer
		// behind is what is at the old address; it returns when the checker was there.
		behind func(t *testing.T) (met func() bool)
	}{
		{"no address yet", "dns", answer{code: nxDomain}, nil},
		{"no address of this kind yet", "dns", answer{code: noAddress}, nil},
		{"the name server itself is not ready", "dns", answer{code: servFail}, nil},
		{"nothing", "refused", answer{addr: old}, nil},
		{"the standby", "standby", answer{addr: old}, func(t *testing.T) func() bool {
			forward(t, at(old), "127.0.0.1:"+strconv.Itoa(standby.Port))
			before := logins(t, standby)
			return func() bool { return logins(t, standby) > before+1 }
		}},
		{"frozen", "timeout", answer{addr: old}, func(t *testing.T) func() bool {
			l, err := net.Listen("tcp", at(old))
			must(t, err)
			var mu sync.Mutex
			var held []net.Conn
			t.Cleanup(func() {
				l.Close()
				mu.Lock()
				defer mu.Unlock()
				for _, c := range held {
					c.Close()
				}
			})
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					mu.Lock()
					held = append(held, c)
					mu.Unlock()
				}
			}()
			return func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(held) > 0
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := dns.becomes(tc.first)
			met := func() bool { return dns.count() > before+6 }
			if tc.behind != nil {
				met = tc.behind(t)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var said strings.Builder
			cmd := exec.CommandContext(ctx, "/odpm-checker", "--check", "--attempt-timeout", "3s", "--timeout", "90s")
			cmd.Dir, cmd.Stderr = "/", &said
			cmd.Env = []string{"PGHOST=pg-rw", "PGPORT=" + strconv.Itoa(port), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword}
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			must(t, cmd.Start())
			until(t, "the checker has been there", met)
			dns.becomes(answer{addr: promoted})
			err := cmd.Wait()
			result{exitCode(t, err), "", said.String(), 0}.want(t, 0, "reason="+tc.reason, "login proven", "addr="+at(promoted))
		})
	}
}

// forward passes connections on.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := net.Listen("tcp", from)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go io.Copy(out, in)
				io.Copy(in, out)
			}()
		}
	}()
}
