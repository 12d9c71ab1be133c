package entrypoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestArguments: what the text of a script says is what a shell gives to Odoo.
func TestArguments(t *testing.T) {
	dir := t.TempDir()
	odoo := filepath.Join(dir, "odoo-bin")
	if err := os.WriteFile(odoo, []byte("#!/bin/sh\nprintf '%s\\000' \"$#\" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	given := []string{"-d", "a shop"}
	env := map[string]string{"DB_HOST": "db", "OPTIONS": "--db_host db  -r odoo", "EMPTY": "", "STAR": "*", "SPACE": "a b"}
	environ := []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	for text, known := range map[string]bool{
		`exec ODOO --db_host=db -w 'it''s' "a \"b\" \$c \d"`:             true,
		`ODOO --db_host $DB_HOST "--db_user=$DB_HOST" x${DB_HOST}y`:      true,
		`ODOO $OPTIONS -c /etc/odoo.conf`:                                true,
		`ODOO "$OPTIONS" $EMPTY "$EMPTY" $MISSING ""`:                    true,
		`ODOO ${MISSING:-other} ${EMPTY:-other} ${EMPTY-x} ${DB_HOST-x}`: true,
		`ODOO "$@" -r odoo >/dev/null; ODOO -i base "$@" 2>&1`:           true,
		`sleep 0; test -n "$DB_HOST" && exec ODOO "$@" $DB_HOST`:         true,
		`cd /; export DB_HOST; ODOO "$DB_HOST"; true`:                    true,
		`DB_HOST=x; ODOO $DB_HOST`:                                       false,
		`: ${DB_HOST:=x}; ODOO $DB_HOST`:                                 false,
		`IFS=b; ODOO $DB_HOST`:                                           false,
		`export PGHOST=x; ODOO -r odoo`:                                  false,
		`PGHOST=x ODOO -r odoo`:                                          false,
		`ODOO --db_host=$(hostname)`:                                     false,
		"ODOO --db_host=`hostname`":                                      false,
		`ODOO $STAR`:                                                     false,
		`ODOO "x"$SPACE`:                                                 false,
		`ODOO ${DB_HOST%b}`:                                              false,
		`ODOO ~/x`:                                                       false,
		`shift; ODOO "$@"`:                                               false,
		`set -- x; ODOO "$@"`:                                            false,
		`f() { ODOO "$@"; }; f x`:                                        false,
		`ODOO $@`:                                                        false,
		`. /dev/null; ODOO $DB_HOST`:                                     false,
		`read -r DB_HOST </dev/null; ODOO "$DB_HOST"`:                    false,
		`for DB_HOST in a b; do ODOO $DB_HOST; done`:                     false,
		`odoo -d x`: false,
	} {
		t.Run(text, func(t *testing.T) {
			text := strings.ReplaceAll(text, "ODOO", odoo)
			calls, ok := Arguments(text, given, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			if ok != known {
				t.Fatalf("known %v, %q", ok, calls)
			}
			if !known {
				return
			}
			// A redirected call prints nowhere.
			cmd := exec.Command("sh", append([]string{"-c", strings.ReplaceAll(text, ">/dev/null", ""), "sh"}, given...)...)
			cmd.Env = environ
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, call := range calls {
				want = append(append(want, string(rune('0'+len(call)))), call...)
			}
			if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, want) {
				t.Errorf("%q\nnot %q", got, want)
			}
		})
	}
}
