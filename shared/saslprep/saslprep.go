// Package saslprep prepares passwords for SCRAM as PostgreSQL and libpq do
// (src/common/saslprep.c), which is RFC 4013 with exceptions of their own.
package saslprep

import (
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
	"golang.org/x/text/unicode/norm"
)

// profile is SASLprep up to the normalisation, in PostgreSQL's order. U+200B
// stands in both mappings, and PostgreSQL makes a space of it before it looks
// whether it maps to nothing. What is prohibited, unassigned or of mixed
// direction is looked for in the characters before they are normalised, where
// the RFC looks at those that come out.
var profile = stringprep.Profile{
	Mappings:  []stringprep.Mapping{spaces(), stringprep.TableB1},
	Prohibits: stringprep.SASLprep.Prohibits,
	CheckBiDi: true,
}

// spaces are RFC 3454's table C.1.2, all of which become U+0020.
func spaces() stringprep.Mapping {
	m := stringprep.Mapping{}
	for _, r := range stringprep.TableC1_2 {
		for c := r[0]; c <= r[1]; c++ {
			m[c] = []rune{' '}
		}
	}
	return m
}

// Password is what SCRAM takes for password. One that cannot be prepared (not
// UTF-8, characters that the RFC prohibits, nothing left) is used as it is.
func Password(password string) string {
	if ascii(password) {
		return password
	}
	p, err := profile.Prepare(password)
	if err != nil || p == "" {
		return password
	}
	return norm.NFKC.String(p)
}

// ascii needs no preparation: PostgreSQL lets control characters pass there.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
