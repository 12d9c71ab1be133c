// Package words holds messages, comments and documentation to plain English: the
// phrases below were each found in the tree, and nobody would say them.
package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// instead says what to write, for each phrase that is refused.
var instead = map[string]string{
	`\bthe way on\b`:                           "To continue",
	`\b[Ll]ook on:`:                            "For details",
	`\bcannot be had\b|\bcould not be had`:     "could not be pulled, installed, read, …",
	`\bdoes not do\b`:                          "is not enough",
	`\bis told\b`:                              "is reported; knows",
	`\bgone on with\b|\bgo on with\b`:          "continue from, keep using",
	`\bto go on[.:]`:                           "to continue",
	`\bnobody is there to ask\b`:               "there is no terminal to ask on",
	`\bcould not be found out\b`:               "could not find out …",
	`\bcannot be told\b`:                       "cannot be determined",
	`\bstands? (there )?twice\b`:               "appears twice, is given twice",
	`\b(stands?|stood) there\b`:                "is there",
	`\bstands? in (it|them)\b`:                 "contains",
	`\bwhat stands\b`:                          "the value",
	`\bstands in clear\b`:                      "is in clear text",
	`\b(is|are) wanted\b`:                      "expected …; odpm needs …",
	`\bto be rid of\b`:                         "to get rid of",
	`\basked for ever\b|\basks for ever\b`:     "never stops asking",
	`\bif it may go\b`:                         "to allow dropping it",
	`\bputs? it right\b|\bthat is put right\b`: "fix; clean up",
	`\band what to do with it\b`:               "needs an action, for example …",
	`\bcannot be gone\b`:                       "cannot continue",
	`\bleaves the person with\b`:               "you still have",
	`\b(a|to a) quarter to a seventh\b`:        "4–7 times faster",
	`\blook who\b`:                             "find out who",
	`\blook what\b`:                            "see what",
	`\bin another place than\b`:                "in a different place than",
	`\banother (one|command|cluster) than\b`:   "differs from; other than",
	`\bis another than\b`:                      "differs from",
	`\bexists? already\b`:                      "already exists",
	`\bpacked once more\b`:                     "an archive inside the archive",
	`\bwhat comes out\b`:                       "the result",
	`\bas which\b`:                             "the role that …; which … as",
	`\ball the same\b`:                         "anyway, still",
	`\banother (size|name|port|user|image|version|place) than\b`:    "a different … than",
	`\bfiles that attachments have\b`:                               "attachments' files",
	`\b(go|goes|went) on (working|running)\b`:                       "keep working",
	`\bin each other\b`:                                             "nested",
	`\b(is|are) of (PostgreSQL|Odoo) `:                              "is from PostgreSQL …",
	`\b(PostgreSQL|Odoo|ODOO_COMMAND) (does|did) not run([.,;:]|$)`: "is not running",
	`\bname(s)? no (Odoo|PostgreSQL) version\b`:                     "is not an Odoo version",
	`\bmakes? room (first|there|or|and)\b`:                          "free up space",
	`\bare missing in the archive\b`:                                "missing from the archive",
	`\bdata stay\b`:                                                 "data is kept",
	`\bnone of this (kind|length)\b`:                                "no such statement; none this long",
	`\bwrites nothing like it\b`:                                    "writes no such statement",
	`\bdata are\b`:                                                  "data is",
	`\bhands? (its|their) arguments on\b`:                           "passes its arguments on",
	`\bin a way of its own\b`:                                       "in its own way, in some other way",
	`\b(looked|seen) through\b`:                                     "skipped, resolved, recognised",
	`\bput in order\b`:                                              "cleaned up",
	`\bas ever\b`:                                                   "as usual",
	`\blogin is fine\b`:                                             "the login works, but …",
	`\bwants (a|no) password\b`:                                     "asks for a password",
	`, which is no (mount|file|directory)\b`:                        "which is not a …",
	`\b(runs|is up|accepts connections) and (does|has|takes) no`:    "is running but …",
}

// TestPlainEnglish reads every string and comment of the programs, and every page.
func TestPlainEnglish(t *testing.T) {
	refused := map[*regexp.Regexp]string{}
	for phrase, better := range instead {
		refused[regexp.MustCompile("(?i)"+phrase)] = better
	}
	read := 0
	check := func(where, text string) {
		read++
		text = strings.Join(strings.Fields(text), " ")
		for phrase, better := range refused {
			if m := phrase.FindStringIndex(text); m != nil {
				t.Errorf("%s: %q; write: %s", where, text[max(0, m[0]-30):min(len(text), m[1]+30)], better)
			}
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || name == "dist" || name == "words" || name == "picture" || strings.HasPrefix(name, ".") && path != "../.." {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case strings.HasSuffix(path, ".md") && d.Name() != "CHANGELOG.md" && d.Name() != "wording.md": // which quotes them
			data, err := os.ReadFile(path)
			check(path, string(data))
			return err
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			return goFile(path, check)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 5000 {
		t.Errorf("only %d texts were read", read)
	}
}

func goFile(path string, check func(where, text string)) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		check(set.Position(group.Pos()).String(), group.Text())
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, " ") {
				check(set.Position(lit.Pos()).String(), text)
			}
		}
		return true
	})
	return nil
}
