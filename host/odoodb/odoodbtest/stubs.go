package odoodbtest

import (
	"context"
	"encoding/hex"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// AsOdooNeutralizes is what Odoo's own command does about mail, and its flag.
var AsOdooNeutralizes = []string{
	`UPDATE ir_mail_server SET active = false`,
	`INSERT INTO ir_mail_server (name, smtp_port, smtp_host, smtp_encryption, active, smtp_authentication) VALUES ('neutralization - disable emails', 1025, 'invalid', 'none', true, 'login')`,
	`INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true')`,
}

// OdooStub stands for the Odoo service; state is what the restore must leave
// as it found it.
type OdooStub struct {
	mu      sync.Mutex
	Runs    bool
	Calls   []string
	Failing string
	OnStop  func()
}

func (o *OdooStub) Running(context.Context) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Runs, nil
}

func (o *OdooStub) call(name string, running bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Calls = append(o.Calls, name)
	if o.Failing == name {
		return errors.New(name + " fails")
	}
	o.Runs = running
	return nil
}

func (o *OdooStub) Stop(context.Context) error {
	if o.OnStop != nil {
		o.OnStop()
	}
	return o.call("stop", false)
}

func (o *OdooStub) Start(context.Context) error { return o.call("start", true) }

// PasslibVerifies recomputes a hash with Python's hashlib, the way passlib's
// pbkdf2_sha512 reads it.
func PasslibVerifies(t *testing.T, password, hash string) bool {
	t.Helper()
	script := `
import base64, hashlib, sys
_, scheme, rounds, salt, checksum = sys.argv[2].split('$')
ab64 = lambda s: base64.b64decode(s.replace('.', '+') + '=' * (-len(s) % 4))
assert scheme == 'pbkdf2-sha512' and len(ab64(salt)) == 16 and len(ab64(checksum)) == 64
key = hashlib.pbkdf2_hmac('sha512', bytes.fromhex(sys.argv[1]), ab64(salt), int(rounds))
print(key == ab64(checksum))`
	out, err := exec.Command("python3", "-c", script, hex.EncodeToString([]byte(password)), hash).CombinedOutput()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out)) == "True"
}
