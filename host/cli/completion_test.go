package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletions: what Tab gets for arguments and values, by cobra's own __complete.
// After adopt it was nothing, and after a number it was files.
func TestCompletions(t *testing.T) {
	const noFiles, byEnding, files = ":4", ":8", ":0"
	for typed, want := range map[string]string{
		"adopt ":                            "yml\nyaml\n" + byEnding,
		"adopt --odoo-version ":             "19.0\n18.0\n17.0\n16.0\n" + noFiles,
		"adopt --postgres-version ":         "18\n17\n16\n15\n14\n13\n12\n" + noFiles,
		"database rehearse --major ":        "18\n17\n16\n15\n14\n13\n12\n" + noFiles,
		"init --port ":                      noFiles,
		"--keep ":                           noFiles,
		"render kubernetes --replicas ":     noFiles,
		"render kubernetes --storage ":      noFiles,
		"plan --out ":                       files,
		"--plan ":                           files,
		"init --from-compose ":              "yml\nyaml\n" + byEnding,
		"database rehearse --as-admin ":     noFiles,
		"stop --format ":                    "text\njson\n" + noFiles,
		"explain --format ":                 "text\njson\n" + noFiles,
		"plan --plan-format ":               "table\njson\nmarkdown\n" + noFiles,
		"database rehearse --pg-bindir ":    ":16",
		"render kubernetes --secret odoo-d": noFiles,
	} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"__complete"}, strings.Split(typed, " ")...)
		if err := New(out, out, out, args, nil, nil).Run(t.Context()); err != nil {
			t.Errorf("%s: %v", typed, err)
		}
		got, err := os.ReadFile(out.Name())
		out.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(got); !strings.HasPrefix(got, want+"\n") {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
}
