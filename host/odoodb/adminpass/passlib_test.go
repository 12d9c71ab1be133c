package adminpass

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

func TestHashIsPasslibs(t *testing.T) {
	// Made by Odoo 18 itself (the fixture's user admin).
	const odoos = "$pbkdf2-sha512$600000$FiIEoNQag7DWOuecc04J4Q$p9PlegQUhNlIkOC8WPonOTRTCmCo/Q2hW5gUZmpxHAPrRePJSvWsrbIr0S4FYMOBSUMvz/iery65ADYEg4MECw"
	if !odoodbtest.PasslibVerifies(t, "admin", odoos) {
		t.Fatal("the oracle does not verify Odoo's own hash")
	}
	for _, pw := range []string{"admin", "pä$$ 'word\\", strings.Repeat("x", 300)} {
		hash, err := hashPassword(t.Context(), pw, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if !odoodbtest.PasslibVerifies(t, pw, hash) || odoodbtest.PasslibVerifies(t, pw+"x", hash) {
			t.Errorf("%q: %s is not what passlib makes", pw, hash)
		}
	}
	// The two characters in which passlib's alphabet differs from the URL-safe one.
	if got := ab64.EncodeToString([]byte{0xfb, 0xff, 0xfe}); got != strings.ReplaceAll(base64.RawStdEncoding.EncodeToString([]byte{0xfb, 0xff, 0xfe}), "+", ".") {
		t.Errorf("ab64 gives %s", got)
	}
}

// TestHashEnds: what takes long ends with its context.
func TestHashEnds(t *testing.T) {
	short, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, err := hashPassword(short, "x", maxRounds); !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}
