package report

import (
	"strings"
	"testing"
)

func TestDiffFiles(t *testing.T) {
	if d := diffFiles("a", []byte("x\n"), []byte("x\n")); d != nil {
		t.Errorf("the same: %+v", d)
	}
	d := diffFiles("odoo.conf", []byte("[options]\ndb_host = a\ndb_password = one\n"), []byte("[options]\ndb_host = b\ndb_password = one\n"))
	if d.Summary != "(+1 -1)" || strings.Contains(d.Unified, "one") || !strings.HasPrefix(d.Unified, "@@") {
		t.Errorf("%+v", d)
	}
	// A change of nothing but a secret is told without showing either.
	d = diffFiles("odoo.conf", []byte("db_password = one\n"), []byte("db_password = two\n"))
	if d == nil || d.Summary != "(a secret changes)" || d.Unified != "" {
		t.Errorf("%+v", d)
	}
}
