package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/quote"
)

func TestVerifier(t *testing.T) {
	for _, password := range []string{"odoo", `it's "q" \ $1`, " grüße ", "ﬁ", "p\u00a0q", "soft\u00adhyphen", "😀", "\xff\xfe", strings.Repeat("long", 300)} {
		for _, encryption := range []string{"", "scram-sha-256", "md5"} {
			v, err := Verifier(encryption, "odoo", password)
			if err != nil {
				t.Fatalf("%q %s: %v", password, encryption, err)
			}
			if !Matches(v, "odoo", password) || Matches(v, "odoo", password+"x") || Matches(v, "odoo", "") {
				t.Errorf("%q %s: %s", password, encryption, v)
			}
			if strings.Contains(v, password) || mask("x '"+v+"' y") != "x '***' y" {
				t.Errorf("%q is in %s, or it is not masked: %s", password, v, mask(v))
			}
		}
	}
	if v, _ := Verifier("md5", "odoo", "secret"); Matches(v, "other", "secret") {
		t.Error("md5 goes by the role too")
	}
	if a, _ := Verifier("", "odoo", "x"); a == must(Verifier("", "odoo", "x")) {
		t.Error("two verifiers have one salt")
	}
	if _, err := Verifier("plain", "odoo", "x"); err == nil {
		t.Error("an unknown encryption is taken")
	}
}

// A verifier that PostgreSQL 15 made of "pencil", and what RFC 7677 gives.
func TestMatchesOthers(t *testing.T) {
	const rfc = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if !Matches(rfc, "user", "pencil") || Matches(rfc, "user", "pencils") {
		t.Error("RFC 7677's example does not match")
	}
	for _, broken := range []string{"", "pencil", "md5", "md5zz", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:x$y:z", strings.Replace(rfc, "4096", "0", 1), strings.Replace(rfc, "4096", "many", 1), rfc + "=", strings.Replace(rfc, "$WG5d", "$G5d", 1)} {
		if wellFormed(broken) || Matches(broken, "user", "pencil") {
			t.Errorf("%q passes", broken)
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func TestLiteral(t *testing.T) {
	for in, want := range map[string]string{"a": "'a'", "it's": "'it''s'", `a\b'`: `E'a\\b'''`} {
		if got := quote.Literal(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	if got := quote.Ident(`a"b`); got != `"a""b"` {
		t.Error(got)
	}
}

func TestWantedValidate(t *testing.T) {
	for name, w := range map[string]Wanted{
		"no name": {Role: "", Password: "x"}, "postgres": {Role: "postgres", Password: "x"}, "reserved": {Role: "pg_monitor", Password: "x"}, "newline": {Role: "a\nb", Password: "x"},
		"not UTF-8": {Role: "a\xff", Password: "x"}, "too long": {Role: strings.Repeat("ö", 32), Password: "x"}, "no password": {Role: "odoo", Password: ""}, "NUL": {Role: "odoo", Password: "a\x00b"},
	} {
		if err := w.validate(); err == nil || strings.Contains(err.Error(), "a\x00b") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Wanted{Role: strings.Repeat("ö", 31), Password: "x"}).validate(); err != nil {
		t.Error(err)
	}
}

// TestAbsurdIterations: a role stores what it likes as its own verifier, and
// comparing must not take hours.
func TestAbsurdIterations(t *testing.T) {
	v, err := Verifier("", "odoo", "x")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if Matches(strings.Replace(v, "$4096:", "$2000000000:", 1), "odoo", "x") || time.Since(start) > 10*time.Second {
		t.Errorf("compared for %v", time.Since(start))
	}
}
