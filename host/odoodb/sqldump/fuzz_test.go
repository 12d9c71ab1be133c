package sqldump_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// FuzzScan: a dump is cut into statements and rows, and each is judged,
// whatever it says.
func FuzzScan(f *testing.F) {
	f.Add([]byte("SET x = 1;\nCOPY public.t (a, b) FROM stdin;\n1\t2\n\\.\n\nALTER TABLE t OWNER TO odoo;\n"))
	f.Add([]byte("CREATE FUNCTION f() RETURNS int AS $_$ ; $_$ LANGUAGE sql; -- c\n/* a /* b */ */ SELECT E'\\'' , U&\"x\";"))
	f.Add([]byte("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;\n\\connect x\n\\restrict a\n"))
	f.Fuzz(func(t *testing.T, dump []byte) {
		s := sqldump.New(bytes.NewReader(dump))
		p := sqldump.Policy{ServerMajor: 15, Owner: "odoo", HasRole: func(string) bool { return false }}
		for items := 0; ; items++ {
			item, err := s.Next()
			if err != nil {
				return
			}
			if items > len(dump)+1 {
				t.Fatal("more statements than bytes: it does not come to an end")
			}
			p.Judge(item.Text)
			sqldump.Classify(item.Text)
			sqldump.Extension(item.Text)
			sqldump.CopyTarget(item.Text)
			if item.Kind == sqldump.Copy {
				if err := s.CopyData(io.Discard); err != nil {
					return
				}
			}
		}
	})
}
