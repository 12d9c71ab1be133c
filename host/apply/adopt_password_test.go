package apply

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/test/localpg"
)

// An undo takes away again the password that a run has given to a role without one, as
// in a cluster that trusts everybody.
func TestWithoutPasswords(t *testing.T) {
	bin, err := localpg.Bin("17")
	if err != nil {
		t.Fatal(err)
	}
	pg, err := localpg.New("", bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Remove)
	if err := pg.Start(); err != nil {
		t.Fatal(err)
	}
	sql := func(statements ...string) string {
		t.Helper()
		out, err := pg.SQL("postgres", statements...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	sql(`CREATE ROLE trusted LOGIN`, `CREATE ROLE "a ""WITH b" LOGIN`, `CREATE ROLE known LOGIN PASSWORD 'x'`)
	const have = `SELECT string_agg(rolname || ' ' || (rolpassword IS NOT NULL), ',' ORDER BY rolname) FROM pg_authid WHERE rolname !~ '^pg_' AND rolname <> 'postgres'`
	before := sql(have)
	dumpall, err := localpg.Client("pg_dumpall", 17)
	if err != nil {
		t.Fatal(err)
	}
	dump := exec.Command(dumpall, "--roles-only", "-h", "127.0.0.1", "-p", strconv.Itoa(pg.Port), "-U", "postgres")
	dump.Env = append(os.Environ(), "PGPASSWORD="+pg.Password)
	saved, err := dump.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, saved)
	}
	sql(`ALTER ROLE trusted PASSWORD 'y'`, `ALTER ROLE "a ""WITH b" PASSWORD 'y'`)
	if sql(have) == before {
		t.Fatal("nothing changed")
	}
	var restore []string
	for _, line := range strings.Split(withoutPasswords(string(saved)), "\n") {
		if strings.HasPrefix(line, "ALTER ROLE ") {
			restore = append(restore, line)
		}
	}
	sql(restore...)
	if got := sql(have); got != before {
		t.Errorf("%s, not %s", got, before)
	}
}
