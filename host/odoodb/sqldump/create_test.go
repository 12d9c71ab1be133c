package sqldump

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestCreate: what pg_dump --create says about its own database is passed over, and
// about another one it is refused.
func TestCreate(t *testing.T) {
	const head = "SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n"
	for name, tc := range map[string]struct {
		dump string
		want string // of the error, "" for none
	}{
		"create":             {head + "CREATE DATABASE prod WITH TEMPLATE = template0;\nALTER DATABASE prod OWNER TO odoo;\n\\connect prod\n" + head + "ALTER DATABASE prod SET work_mem TO '4MB';\nALTER ROLE odoo IN DATABASE prod SET x TO 'y';\n\\connect prod\nGRANT CONNECT ON DATABASE prod TO PUBLIC;\nCREATE TABLE t ();\n", ""},
		"clean":              {"DROP DATABASE IF EXISTS \"kunde-1\";\nCREATE DATABASE \"kunde-1\";\n\\connect -reuse-previous=on \"dbname='kunde-1'\"\nCREATE TABLE t ();\n", ""},
		"quotes":             {"CREATE DATABASE \"a\"\"b'c\";\n\\connect -reuse-previous=on \"dbname='a\"\"b\\'c'\"\nCREATE TABLE t ();\n", ""},
		"a template":         {head + "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'prod';\nDROP DATABASE prod;\nCREATE DATABASE prod;\nALTER DATABASE prod IS_TEMPLATE = true;\n\\connect prod\nCREATE TABLE t ();\n", ""},
		"another one":        {"CREATE DATABASE prod;\n\\connect prod\nDROP DATABASE other;\n", "affects more than the database"},
		"another one's name": {"CREATE DATABASE prod;\n\\connect other\n", "psql command"},
		"a connection":       {"CREATE DATABASE prod;\n\\connect -reuse-previous=on \"dbname='prod' host=evil\"\n", "psql command"},
		"no database":        {"\\connect prod\nCREATE TABLE t ();\n", "psql command"},
		"and stays":          {"DROP DATABASE prod;\nCREATE DATABASE prod;\nCREATE TABLE t ();\n", "affects more than the database"},
		"drops alone":        {"DROP DATABASE prod;\n", "affects more than the database"},
		"in the middle":      {"CREATE TABLE t ();\nDROP DATABASE prod;\n", "affects more than the database"},
		"a role":             {"CREATE DATABASE prod;\nALTER ROLE prod SUPERUSER;\n", "affects more than the database"},
		"a member":           {"CREATE DATABASE prod;\nGRANT prod TO odoo;\n", "affects more than the database"},
	} {
		sc, made := New(strings.NewReader(tc.dump)), 0
		var err error
		for err == nil {
			var it Item
			if it, err = sc.Next(); err == nil && it.Kind == Statement && strings.HasPrefix(string(it.Text), "CREATE") {
				made++
			}
		}
		if tc.want == "" && (!errors.Is(err, io.EOF) || made != 1) || tc.want != "" && (!IsRefused(err) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, %d statements that make something", name, err, made)
		}
	}
}
