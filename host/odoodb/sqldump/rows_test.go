package sqldump

import (
	"slices"
	"strings"
	"testing"
)

func TestRows(t *testing.T) {
	const unix = "1\ta\\tb\t\\N\n2\t" + `c\\d` + "\tx\n"
	for _, data := range []string{unix, strings.ReplaceAll(unix, "\n", "\r\n")} {
		for step := 1; step <= len(data); step++ {
			var got []string
			r := NewRows([]string{"id", "name", "v"}, []string{"v", "name", "absent"}, func(v []string) { got = append(got, strings.Join(v, "|")) })
			for i := 0; i < len(data); i += step {
				_, _ = r.Write([]byte(data[i:min(i+step, len(data))]))
			}
			if want := []string{"|a\tb|", `x|c\d|`}; !slices.Equal(got, want) || r.N != 2 {
				t.Fatalf("%q in steps of %d: %q", data, step, got)
			}
		}
	}
	const modules = "database\tx\t1\nbase\tinstalled\t18\nbase_setup\tinstalled\t18\nbase\t\\N\t2\n"
	for step := 1; step <= len(modules); step++ {
		var got []string
		r := NewRows([]string{"name", "state", "v"}, []string{"name", "state", "v"}, func(v []string) {
			if v[0] == "base" {
				got = append(got, strings.Join(v, "|"))
			}
		}).From("base")
		for i := 0; i < len(modules); i += step {
			_, _ = r.Write([]byte(modules[i:min(i+step, len(modules))]))
		}
		if want := []string{"base|installed|18", "base||2"}; !slices.Equal(got, want) || r.N != 4 {
			t.Fatalf("in steps of %d: %q, %d rows", step, got, r.N)
		}
	}
	huge := NewRows([]string{"blob", "name"}, []string{"name"}, func(v []string) {
		if v[0] != "n" {
			t.Error(v)
		}
	})
	for range 1000 {
		_, _ = huge.Write([]byte(strings.Repeat("x", 100_000)))
	}
	_, _ = huge.Write([]byte("\tn\n"))
}

func TestCopyTarget(t *testing.T) {
	for stmt, want := range map[string]string{
		`COPY public.ir_attachment (id, "Name", "a""b") FROM stdin;`: `public ir_attachment id,Name,a"b`,
		`COPY "My.S"."T" FROM stdin;`:                                `My.S T `,
		`COPY t (a) FROM stdin;`:                                     ` t a`,
		`SELECT 1;`:                                                  `  `,
	} {
		schema, table, columns := CopyTarget([]byte(stmt))
		if got := schema + " " + table + " " + strings.Join(columns, ","); got != want {
			t.Errorf("%s: %q", stmt, got)
		}
	}
}
