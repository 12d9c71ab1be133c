package typed

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	got, err := Words("A=1 sudo odpm -d 'a b' --db-backup 2>&1 | tee x   # why\ncd y && odpm plan >out; odpm\n# odpm no\n")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]string{{"odpm", "-d", "a b", "--db-backup"}, {"tee", "x"}, {"cd", "y"}, {"odpm", "plan"}, {"odpm"}}, got); d != "" {
		t.Error(d)
	}
}

func TestPrinted(t *testing.T) {
	got := Printed("odpm: docker compose does not accept it: docker compose config: no\nerror next=\"docker compose up -d db\"\nStart it: odpm\n  sudo chmod g+r x        so that it can\n")
	if d := cmp.Diff([]string{"odpm", "sudo chmod g+r x"}, got); d != "" {
		t.Error(d)
	}
	if _, err := Check("odpm"); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"odpm plan --detailed-exitcode":                "",
		"odpm -d prod -u sale,crm":                     "",
		"odpm --accept-database-drift=KIND":            "",
		"odpm --accept-database-drift=nothing":         "not a kind of drift",
		"odpm -d prod --db-restor x":                   "--db-restore",
		"odpm --db-backup":                             "add -d NAME",
		"odpm database verify":                         "one archive",
		"odpm plam":                                    "not a command",
		"odpm render kubernetes --secret pg --image x": "",
		"odpm 'plan":                                   "sh -n",
	} {
		_, err := Check(text)
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) {
				t.Errorf("%s: %v", text, err)
			}
		} else if want != "" {
			t.Errorf("%s: no error, want %q", text, want)
		}
	}
}
