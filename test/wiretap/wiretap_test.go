package wiretap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestInexact(t *testing.T) {
	for sql, bad := range map[string]bool{
		`SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = $1`:                                    true,
		`SELECT rolname FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1`:               false,
		`SELECT rolname FROM pg_roles`:                                                                  true,
		`SELECT count(*) FROM pg_catalog.pg_roles`:                                                      true,
		`SELECT pg_catalog.count(oid) FROM pg_catalog.pg_roles r JOIN public.t ON true`:                 true,
		`SELECT rolname::text FROM pg_catalog.pg_roles`:                                                 true,
		`SELECT rolname::pg_catalog.text, 'a = b', 1::int, '-1'::bigint FROM pg_catalog.pg_roles`:       false,
		`SELECT oid FROM pg_catalog.pg_class WHERE relkind IN ('r')`:                                    true,
		`SELECT oid FROM pg_catalog.pg_class WHERE relname LIKE 'x'`:                                    true,
		`SELECT oid FROM pg_catalog.pg_class WHERE a IS DISTINCT FROM b`:                                true,
		`SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) ANY ($1))`: false,
		`SELECT nullif(a, b) FROM pg_catalog.pg_roles`:                                                  true,
		`WITH RECURSIVE m(oid) AS (SELECT oid FROM pg_catalog.pg_class) SELECT oid FROM m`:              false,
		`SELECT name FROM public.ir_module_module`:                                                      true,
		`COPY public."ir_module_module" ("name", "state") TO STDOUT`:                                    false,
		`COPY (SELECT f()) TO STDOUT`:                                                                   true,
		`ALTER DATABASE "a = b" RENAME TO "c(d)"`:                                                       false,
		`ALTER FUNCTION public.unaccent(pg_catalog.text) IMMUTABLE`:                                     false,
		`CREATE TABLE x AS SELECT 1 = 2`:                                                                true,
	} {
		if why := Inexact(sql); (why != "") != bad {
			t.Errorf("%s: %q", sql, why)
		}
	}
}

// TestTree reads every statement that stands in odpm's source, those that no
// test sends among them. What names the schema public is an owner's, and so is what
// counts the rows of a table whose name comes behind it.
func TestTree(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../../host", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			sql, err := strconv.Unquote(lit.Value)
			if err != nil || !strings.HasPrefix(sql, "SELECT ") && !strings.HasPrefix(sql, "WITH ") || strings.Contains(sql, "public.") || strings.HasSuffix(sql, " FROM ONLY ") {
				return true
			}
			seen++
			if why := Inexact(sql); why != "" {
				t.Errorf("%s: %s, in: %s", files.Position(lit.Pos()), why, sql)
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 30 {
		t.Errorf("%d statements were read, %v", seen, err)
	}
}
