package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJoinOptional(t *testing.T) {
	for name, tt := range map[string]struct{ in, want []string }{
		"list from the next argument": {[]string{"-d", "x", "-u", "sale,crm"}, []string{"-d", "x", "--update=sale,crm"}},
		"bare before a flag":          {[]string{"-i", "-u", "--set-admin-pass"}, []string{"--init", "--update", "--set-admin-pass"}},
		"bare at the end":             {[]string{"--db-backup"}, []string{"--db-backup"}},
		"file":                        {[]string{"--db-backup", "my.zip"}, []string{"--db-backup=my.zip"}},
		"a command is no value":       {[]string{"-i", "plan"}, []string{"--init", "plan"}},
		"after two dashes":            {[]string{"--", "-i", "x"}, []string{"--", "-i", "x"}},
	} {
		if d := cmp.Diff(tt.want, joinOptional(tt.in, []string{"plan"})); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
	if got := modules(" sale, ,crm"); len(got) != 2 || got[1] != "crm" {
		t.Errorf("%q", got)
	}
}
