package main_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/test/localpg"
)

// validLog compares every line of the checker's log in JSON with its schema, and
// gives their number.
func validLog(t *testing.T, stderr string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, `{"time":`) {
			continue
		}
		n++
		if err := schemas.Written("checker-log", []byte(line)); err != nil {
			t.Errorf("%s%v", line, err)
		}
	}
	return n
}

// TestLog: what the checker logs as JSON is what the schema says, whatever
// happens to it.
func TestLog(t *testing.T) {
	c := server(t)
	closed, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env  []string
		args []string
		code int
		says string
	}{
		"a closed port":    {with(connection(c), "PGPORT="+strconv.Itoa(closed)), []string{"--timeout", "300ms"}, 69, `"reason":"`},
		"a proven login":   {with(connection(c)), []string{"--check-bus"}, 0, `"msg":"login proven"`},
		"another password": {with(connection(c), "PGPASSWORD=other"), nil, 77, `"sqlstate":"28P01"`},
		"a wrong setting":  {with(connection(c), "PGSSLMODE=sometimes"), nil, 78, `"level":"ERROR"`},
		"no baseline":      {with(connection(c)), []string{"--require-baseline"}, 73, `"level":"ERROR"`},
		"no program":       {with(connection(c)), []string{"--", "/nonexistent/odoo"}, 127, `"level":"ERROR"`},
	} {
		args := append([]string{"--log-format", "json", "--log-level", "debug"}, tt.args...)
		if !slices.Contains(args, "--") {
			args = append(args, "--check")
		}
		r := invocation{env: tt.env, args: args}.run(t)
		if r.want(t, tt.code, tt.says); validLog(t, r.stderr) == 0 {
			t.Errorf("%s: no line of JSON in %s", name, r.stderr)
		}
	}
}
