package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	s := newServer(t)
	load(t, s, `Kunde "A" ü`)
	for _, db := range []string{"leer", "fremd", "zu", "odpm_0123456789abcdef"} {
		if err := s.Create(ctx, db, CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	mustApp(t, s, "fremd", `CREATE TABLE x (y int)`)
	mustAdmin(t, s, maintenance, `ALTER DATABASE zu ALLOW_CONNECTIONS false`)
	stray := filepath.Join(s.OdooDataDir, "filestore", "odpm_00000000000000ff")
	if err := os.MkdirAll(stray, 0o755); err != nil {
		t.Fatal(err)
	}
	all, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Database{}
	for _, d := range all {
		if d.Owner == s.AppRole {
			got[d.Name] = d
		}
	}
	for name, state := range map[string]DatabaseState{`Kunde "A" ü`: Initialised, "leer": Empty, "fremd": Other, "zu": Closed, "odpm_0123456789abcdef": LeftOverState} {
		if d := got[name]; d.State != state || d.Bytes < 1<<20 || d.Encoding != "UTF8" || d.AllowConnections != (name != "zu") {
			t.Errorf("%s: %+v", name, d)
		}
	}
	d := got[`Kunde "A" ü`]
	if !d.IsOdoo || d.OdooVersion != "18.0" || d.BaseVersion != "18.0.1.3" || d.FilestoreState != FilestorePresent || d.Files != 9 || d.FilestoreBytes != 78598 {
		t.Errorf("%+v", d)
	}
	if d := got["leer"]; d.IsOdoo || d.FilestoreState != FilestoreMissing {
		t.Errorf("%+v", d)
	}
	left, err := s.LeftOvers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range left {
		names = append(names, l.Kind+" "+l.Name)
		if l.Journal != "" || !strings.Contains(l.Remedy, l.Name) {
			t.Errorf("%+v", l)
		}
	}
	if strings.Join(names, ", ") != "database odpm_0123456789abcdef, filestore odpm_00000000000000ff" {
		t.Errorf("left over: %q", names)
	}
}

func TestSeries(t *testing.T) {
	for v, want := range map[string]string{"18.0.1.3": "18.0", "saas~17.4.1.3": "saas~17.4", "saas-18.2.1.0": "saas~18.2", "11.0.1.3": "11.0", "": "", "x": ""} {
		if got := seriesOf(v); got != want {
			t.Errorf("%q: %q", v, got)
		}
	}
}
