package database

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPythonOf(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "odoo-bin")
	write := func(text string) {
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("#!/usr/bin/env python3\nimport odoo\n")
	for name, tt := range map[string]struct {
		argv   []string
		python []string
		script string
	}{
		"a script":           {[]string{script, "-c", "x"}, []string{"/usr/bin/env", "python3"}, script},
		"a Python, a script": {[]string{"/venv/bin/python3.11", "odoo-bin", "-c", "x"}, []string{"/venv/bin/python3.11"}, "odoo-bin"},
	} {
		python, got, err := pythonOf(tt.argv)
		if err != nil || got != tt.script {
			t.Errorf("%s: %q %v", name, got, err)
		}
		if d := cmp.Diff(tt.python, python); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	write("\x7fELF\n")
	if _, _, err := pythonOf([]string{script}); err == nil {
		t.Error("a binary was taken for a script")
	}
	if _, _, err := pythonOf([]string{"python3"}); err == nil {
		t.Error("a Python without a program was taken")
	}
}
