package pglogin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"odoo": "odoo", "my-role": "my-role", "Ödoo": "Ödoo", `a"b`: `a"b`, "": "",
		"odoo:secret": "odoo:…", "postgres://a:secret@h": "…", "host=h PassWord=secret": "…", "secret@h": "…",
		"bad\x1b[31m\nname": "bad [31m name", "a\u202eb\u2028c\u0085d": "a b c d",
	} {
		if got := Shown(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestReasonNames(t *testing.T) {
	seen := map[string]bool{}
	for r := Settings; r <= LoginRefused; r++ {
		if name := r.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("%d is %q", r, name)
		}
		seen[r.String()] = true
		e := &Error{Reason: r, Addr: "db:5432", User: "odoo", Database: "shop", detail: "x"}
		if e.Error() == "" || e.Next() == "" {
			t.Errorf("%s says %q, next %q", r, e.Error(), e.Next())
		}
	}
	if Reason(-1).String() != "unknown" || Reason(1000).String() != "unknown" {
		t.Error("a reason out of range has a name")
	}
}

// TestLookupCache: a name is believed for a while, an error never, and what
// did not answer is asked for again.
func TestLookupCache(t *testing.T) {
	asked := 0
	var fail error
	l := &lookupCache{resolve: func(context.Context, string) ([]string, error) {
		asked++
		return []string{"10.0.0.1"}, fail
	}}
	fail = errors.New("no such name")
	if _, err := l.find(t.Context(), "db"); err == nil || asked != 1 {
		t.Fatal(err, asked)
	}
	fail = nil
	for range 3 {
		if a, err := l.find(t.Context(), "db"); err != nil || !slices.Equal(a, []string{"10.0.0.1"}) || asked != 2 {
			t.Fatal(a, err, asked)
		}
	}
	l.forget()
	l.find(t.Context(), "db")
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	l.known["db"] = lookupEntry{l.known["db"].addrs, time.Now().Add(-time.Second)}
	l.find(t.Context(), "db")
	if asked != 4 {
		t.Errorf("asked %d times", asked)
	}
	if a, _ := l.find(t.Context(), "10.9.9.9"); a[0] != "10.9.9.9" || asked != 4 {
		t.Errorf("an address was asked for")
	}
}

// TestPace: within its caps, and anew for each kind of trouble.
func TestPace(t *testing.T) {
	for reason, limit := range map[Reason]time.Duration{
		Refused: 50 * time.Millisecond, StartingUp: 44 * time.Millisecond, DNS: 125 * time.Millisecond,
		Closed: 63 * time.Millisecond, TooManyConnections: 1500 * time.Millisecond,
	} {
		p := pacer{start: time.Now()}
		for range 50 {
			if d := p.next(reason); d <= 0 || d > limit {
				t.Errorf("%s: %s, at most %s", reason, d, limit)
			}
		}
		p.since = time.Now().Add(-time.Minute)
		p.start = p.since
		for range 50 {
			if d := p.next(reason); d > 1500*time.Millisecond {
				t.Errorf("%s, late: %s", reason, d)
			}
		}
	}
	p := pacer{start: time.Now()}
	for range 50 {
		p.next(Refused)
	}
	if d := p.next(StartingUp); d > 3*time.Millisecond {
		t.Errorf("the first pause of another kind is %s", d)
	}
}
