package typed

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[+#]?\d*[sqdvo]|%w`)

// TestMessages: each command in a string of the programs' source, with something
// in the place of its verbs, is shell, and odpm's own flags and commands. What
// no test makes a program print is in here too.
func TestMessages(t *testing.T) {
	n := 0
	for _, top := range []string{"host", "checker", "shared"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "enginetest") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				lit, ok := node.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					return true
				}
				for _, c := range Printed(verb.ReplaceAllString(text, "1")) {
					n++
					if err := parses(c); err != nil {
						t.Errorf("%s: %v", set.Position(lit.Pos()), err)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 100 {
		t.Errorf("only %d commands were found", n)
	}
}

// parses checks a command of which a string may have only the beginning.
func parses(command string) error {
	_, err := Check(command)
	for _, rest := range []string{" X", "X", "1", " 1", " X -c Y", "'"} {
		if err == nil {
			return nil
		}
		if _, again := Check(command + rest); again == nil {
			return nil
		}
	}
	return fmt.Errorf("%q: %w", command, err)
}
