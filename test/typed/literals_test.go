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
			for _, decl := range file.Decls {
				context := literals(decl)
				if _, ok := decl.(*ast.GenDecl); ok {
					context = literals(file)
				}
				said := all(context)
				for _, lit := range literals(decl) {
					for _, c := range Printed(verb.ReplaceAllString(lit.text, "1")) {
						n++
						if what := Safe([]string{c}); what != "" && !strings.Contains(path, "engine/docker/") {
							t.Errorf("%s: %s", set.Position(lit.pos), what)
						}
						if err := parses(c); err != nil {
							t.Errorf("%s: %v", set.Position(lit.pos), err)
						} else if what := Shape(c, said); what != "" && !operandsLack(what) {
							t.Errorf("%s: %q: %s", set.Position(lit.pos), c, what)
						}
					}
				}
			}
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

type literal struct {
	text string
	pos  token.Pos
}

func literals(in ast.Node) []literal {
	var out []literal
	ast.Inspect(in, func(node ast.Node) bool {
		lit, ok := node.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(lit.Value); err == nil {
			out = append(out, literal{text, lit.Pos()})
		}
		return true
	})
	return out
}

// all is what a function says: the words that stand for something are often
// explained in the string before.
func all(of []literal) string {
	var b strings.Builder
	for _, l := range of {
		b.WriteString(verb.ReplaceAllString(l.text, "1") + "\n")
	}
	return b.String()
}

// operandsLack: the rest of the command is in another string.
func operandsLack(what string) bool { return strings.Contains(what, " operands instead of ") }
