package saslprep_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/saslprep"
	"github.com/odpm/odpm/test/localpg"
)

// The oracle is the server: it prepares clear passwords itself, and what it
// stores has to belong to what Password makes of them.
func TestPostgreSQLAgrees(t *testing.T) {
	bin, err := localpg.Bin("16") // scram_iterations came with 16
	if err != nil {
		t.Fatal(err)
	}
	c, err := localpg.New("", bin, "scram_iterations = 1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Remove)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	passwords := append(samples(), "ﬁnanz²", "a\u00a0b", "soft\u00adhyphen", "a\u200bb", "\u00ad", "\u2098", "\u0340", "\ufb34", "\u05d0a\u00a0b", "\u0221\u00a0x", "tab\tx", "😀")
	var statements []string
	for n, p := range passwords {
		statements = append(statements, fmt.Sprintf(`DO $do$ BEGIN EXECUTE format('CREATE ROLE r%d PASSWORD %%L', convert_from('\x%s', 'UTF8')); END $do$`, n, hex.EncodeToString([]byte(p))))
	}
	if _, err := c.SQL("postgres", statements...); err != nil {
		t.Fatal(err)
	}
	out, err := c.SQL("postgres", "SELECT substr(rolname, 2) || ' ' || rolpassword FROM pg_authid WHERE rolname ~ '^r[0-9]+$'")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if len(lines) != len(passwords) {
		t.Fatalf("%d verifiers of %d passwords", len(lines), len(passwords))
	}
	for _, line := range lines {
		number, verifier, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if got := saslprep.Password(passwords[n]); !belongs(t, verifier, got) {
			t.Errorf("%+q becomes %+q, not for PostgreSQL", passwords[n], got)
		}
	}
}

// samples mixes characters that the preparation treats in different ways.
func samples() []string {
	pools := [][2]rune{
		{0x20, 0x7e}, {0x01, 0x1f}, {0xa0, 0x24f}, {0x300, 0x36f}, {0x590, 0x6ff}, {0x700, 0x2fff}, {0x2000, 0x20ff},
		{0x3000, 0x30ff}, {0xac00, 0xac3f}, {0xe000, 0xe00f}, {0xfb00, 0xfeff}, {0x1d400, 0x1d4ff}, {0x1f300, 0x1f3ff},
	}
	random := rand.New(rand.NewPCG(1, 2))
	var out []string
	for range 1000 {
		var p []rune
		few := [2]int{random.IntN(len(pools)), random.IntN(len(pools))}
		for range 1 + random.IntN(5) {
			pool := pools[few[random.IntN(2)]]
			p = append(p, pool[0]+random.Int32N(pool[1]-pool[0]+1))
		}
		out = append(out, string(p))
	}
	return out
}

// belongs computes the server's key of SCRAM-SHA-256$1:<salt>$<stored>:<server>.
func belongs(t *testing.T, verifier, password string) bool {
	t.Helper()
	f := strings.FieldsFunc(verifier, func(r rune) bool { return r == '$' || r == ':' })
	if len(f) != 5 {
		t.Fatalf("no verifier: %s", verifier)
	}
	salt, err := base64.StdEncoding.DecodeString(f[2])
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, salted)
	h.Write([]byte("Server Key"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil)) == f[4]
}
