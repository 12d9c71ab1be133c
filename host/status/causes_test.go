package status

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCauses: login.cause is a contract, in the schema and in the docs as the
// code has it. "none" is what a login has that works.
func TestCauses(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var code []string
	for _, m := range regexp.MustCompile(`\n\tCause\w+ += "(\w+)"`).FindAllStringSubmatch(read("../cluster/diagnose.go"), -1) {
		if m[1] != "none" {
			code = append(code, m[1])
		}
	}
	slices.Sort(code)

	var schema struct {
		Properties struct {
			Login struct {
				Properties struct{ Cause struct{ Enum []string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(read("../../docs/schemas/status.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	inSchema := schema.Properties.Login.Properties.Cause.Enum
	slices.Sort(inSchema)

	_, section, _ := strings.Cut(read("../../docs/reference/application-role.md"), "| cause |")
	section, _, _ = strings.Cut(section, "\n\n")
	var documented []string
	for row := range strings.Lines(section) {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[1], -1) {
			documented = append(documented, m[1])
		}
	}
	slices.Sort(documented)
	if len(code) < 10 || !slices.Equal(code, inSchema) || !slices.Equal(code, documented) {
		t.Errorf("code   %v\nschema %v\ndocs   %v", code, inSchema, documented)
	}
}
