package codes_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/drift"
)

var update = flag.Bool("update", false, "write docs/how-to/troubleshooting.md")

const page = "../../docs/how-to/troubleshooting.md"

// TestPage: docs/how-to/troubleshooting.md says what "odpm explain" says.
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Troubleshooting

odpm refused or failed, and you want to know what it means, what could be lost, and what to do first. For messages of
PostgreSQL or Odoo, such as "password authentication failed", see [Messages of PostgreSQL](postgresql-messages.md).

Every refusal, every error and every [kind of drift](../reference/drift.md) has a code. JSON has it as ` + "`code`" + `, and drift shows it
in the plan. ` + "`odpm explain CODE`" + ` prints what is below together with your project's own values; ` + "`odpm explain`" + ` lists all
codes. Codes are added, never changed.

This page has the kinds of drift first, then the other codes in alphabetical order. *First* lists what only looks before
what changes something.

`)
	for _, e := range codes.Entries {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n**What can be lost:** %s\n\n**First:**\n\n", e.Code, e.Means, e.Lost)
		for _, f := range e.First {
			fmt.Fprintf(&b, "- %s\n", quoted(f))
		}
		b.WriteString("\n")
	}
	want := strings.TrimRight(b.String(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("docs/how-to/troubleshooting.md is another text (%v); run: go test ./host/codes -update", err)
	}
}

// quoted puts what is typed into backquotes: a command, or a setting and its value.
func quoted(first string) string {
	word, rest, _ := strings.Cut(first, " ")
	switch {
	case slices.Contains([]string{"odpm", "docker", "sudo", "df"}, word):
		command, why, explained := strings.Cut(first, "        ")
		if explained {
			why = ", " + why
		}
		return "`" + command + "`" + why
	case strings.Contains(word, "="):
		return strings.TrimSuffix("`"+word+"` "+rest, " ")
	}
	return first
}

// TestEntries: each code once, all kinds of drift among them, nothing left out.
func TestEntries(t *testing.T) {
	names := codes.Names()
	for _, e := range codes.Entries {
		if e.Means == "" || e.Lost == "" || len(e.First) == 0 {
			t.Errorf("%s is not explained", e.Code)
		}
	}
	sorted := slices.Sorted(slices.Values(names))
	if len(slices.Compact(sorted)) != len(names) {
		t.Errorf("a code is there twice: %q", names)
	}
	for i, k := range drift.Kinds() {
		if names[i] != string(k) {
			t.Errorf("%s is not in its place: %s", k, names[i])
		}
	}
	// Accepting is the last thing that is proposed.
	for _, e := range codes.Entries {
		for i, f := range e.First {
			if strings.Contains(f, "--accept-") && i != len(e.First)-1 {
				t.Errorf("%s: %s is not last", e.Code, f)
			}
		}
	}
}

// TestEveryRefusal: each one in the tree has a code, and each code is explained.
func TestEveryRefusal(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			typ, ok := lit.Type.(*ast.SelectorExpr)
			if x, isName := packageOf(typ); !ok || !isName || x != "ui" || typ.Sel.Name != "Refusal" {
				return true
			}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "Code" {
					return true
				}
			}
			t.Errorf("%s: a ui.Refusal has no Code; add one to host/codes", path)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packageOf is the package's name before a type's.
func packageOf(typ *ast.SelectorExpr) (string, bool) {
	if typ == nil {
		return "", false
	}
	x, ok := typ.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return x.Name, true
}

// TestConstants: what the constants name is explained.
func TestConstants(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name := strings.Trim(lit.Value, `"`)
			n++
			if _, ok := codes.Find(name); !ok {
				t.Errorf("%s is not explained", name)
			}
		}
		return true
	})
	if n < 30 {
		t.Errorf("%d constants", n)
	}
}
