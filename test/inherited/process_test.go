package inherited_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/odpm/odpm/test/inherited/legacy"
)

// Nobody who looks at this machine's processes sees a password or a verifier:
// not while a live server is repaired, and not around single-user mode.
func TestNothingSecretInArguments(t *testing.T) {
	for _, s := range states {
		if s.name != "other-password" && s.name != "admin-nologin" && s.name != "password-known" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			c := legacy.New(t, legacy.Spec{Major: 15, HBA: s.hba, Conf: s.conf, Setup: s.setup})
			if err := c.WriteProject(odoo.Role, odoo.Password); err != nil {
				t.Fatal(err)
			}
			if s.hints.Password != "" {
				if err := c.Remember(s.hints.Password); err != nil {
					t.Fatal(err)
				}
			}
			stop, seen := make(chan struct{}), make(chan []string)
			go watchArguments(stop, seen, odoo.Password, legacy.BootPassword, "SCRAM-SHA-256$")
			odpm(t, c, 0, "database", "ensure-role")
			odpm(t, c, 0, "database", "status")
			close(stop)
			got := <-seen
			if len(got) == 0 || got[0] == "" {
				t.Fatal("no process of PostgreSQL or odpm was seen; the watch does not work")
			}
			if len(got) > 1 {
				t.Errorf("in a process's arguments: %q", got[1:])
			}
		})
	}
}

// watchArguments reads the arguments of all processes, again and again. The
// first element of what it gives is one harmless command line that it saw.
func watchArguments(stop <-chan struct{}, seen chan<- []string, secrets ...string) {
	result := []string{""}
	for {
		select {
		case <-stop:
			seen <- result
			return
		case <-time.After(time.Millisecond):
		}
		found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range found {
			line, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			if bytes.Contains(line, []byte("postgres")) || bytes.Contains(line, []byte("odpm")) {
				result[0] = string(line)
			}
			for _, s := range secrets {
				if bytes.Contains(line, []byte(s)) && len(result) < 10 {
					result = append(result, string(line))
				}
			}
		}
	}
}
