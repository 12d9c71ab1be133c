package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	s := newServer(t)
	loadFixture(t, s, `Kunde "A" ü`)
	for _, db := range []string{"leer", "fremd", "zu", "mitten"} {
		if err := s.Create(ctx, db, CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	mustApp(t, s, "fremd", `CREATE TABLE x (y int)`)
	mustAdmin(t, s, maintenance, `ALTER DATABASE zu ALLOW_CONNECTIONS false`, `ALTER DATABASE mitten ALLOW_CONNECTIONS false`,
		`CREATE DATABASE odpm_0123456789abcdef IS_TEMPLATE true OWNER `+ident(s.AppRole), `CREATE DATABASE odpm_00000000000000aa IS_TEMPLATE true OWNER `+ident(s.AppRole))
	// A restore that was killed in the middle of its swap.
	j := newJournal(s.StateDir, journal{Target: "mitten", New: "odpm_00000000000000aa", Old: "odpm_00000000000000aa_old", Filestore: filepath.Join(s.Files.DataDir, "filestore")})
	if err := j.to(stepSwapping); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(s.Files.DataDir, "filestore", "odpm_00000000000000ff")
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
	for name, state := range map[string]DatabaseState{`Kunde "A" ü`: Initialised, "leer": Empty, "fremd": Other, "zu": Closed, "mitten": Closed, "odpm_0123456789abcdef": LeftOverState, "odpm_00000000000000aa": LeftOverState} {
		if d := got[name]; d.State != state || d.Bytes < 1<<20 || d.Encoding != "UTF8" || d.AllowConnections != (state != Closed) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for name, reason := range map[string]string{"zu": "", "mitten": "the next run of odpm opens it again", "odpm_0123456789abcdef": "odpm -d odpm_0123456789abcdef --db-drop", "odpm_00000000000000aa": "of a restore of mitten"} {
		if d := got[name]; (reason == "") != (d.Reason == "") || !strings.Contains(d.Reason, reason) {
			t.Errorf("%s: %q", name, d.Reason)
		}
	}
	if err := j.remove(); err != nil {
		t.Fatal(err)
	}
	if err := dropAll(s, "odpm_00000000000000aa"); err != nil {
		t.Fatal(err)
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
		if l.Kind == "filestore" && l.Remedy != "sudo rm -rf '"+strings.ReplaceAll(l.Path, "'", `'\''`)+"'" {
			t.Errorf("a shell would take another path than %s: %s", l.Path, l.Remedy)
		}
		names = append(names, l.Kind+" "+l.Name)
		if l.Journal != "" || !strings.Contains(l.Remedy, l.Name) {
			t.Errorf("%+v", l)
		}
	}
	if strings.Join(names, ", ") != "database odpm_0123456789abcdef, filestore odpm_00000000000000ff" {
		t.Errorf("left over: %q", names)
	}
	if _, err := s.Drop(ctx, "odpm_0123456789abcdef"); err != nil {
		t.Errorf("what the list says to type: %v", err)
	}
}

func TestSeries(t *testing.T) {
	for v, want := range map[string]string{"18.0.1.3": "18.0", "saas~17.4.1.3": "saas~17.4", "saas-18.2.1.0": "saas~18.2", "11.0.1.3": "11.0", "": "", "x": ""} {
		if got := seriesOf(v); got != want {
			t.Errorf("%q: %q", v, got)
		}
	}
}
