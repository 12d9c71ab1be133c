package odooconf_test

import "testing"

// FuzzParse: whatever the file is, it says here what it says to Odoo, which
// reads it with Python's configparser.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"[options]\ndb_host = db\ndb_password = a#b;c%(x)s\n",
		"[DEFAULT]\nx=1\n[options]\n y\n  z\n\n w = 2\n",
		"\ufeff[options]\r\nA : b\r\n# c\r\n",
		"[options]\na =\n\n  b\n\x0c c = d\n",
		"[\x00o0s]\n0n00N\x1400=",
	} {
		f.Add(seed)
	}
	o := python(f)
	f.Fuzz(func(t *testing.T, data string) {
		if len(data) > 4096 {
			return
		}
		compare(t, o, data)
	})
}
