package project

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestKeysDocumented: the table of docs/reference/project-files.md has every key, and no
// other.
func TestKeysDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/reference/project-files.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "\n## Keys of .env\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var found []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z_`, ]+) \\|").FindAllStringSubmatch(table, -1) {
		found = append(found, regexp.MustCompile("[A-Z][A-Z_]+").FindAllString(row[1], -1)...)
	}
	slices.Sort(found)
	if want := slices.Sorted(slices.Values(Keys)); !slices.Equal(found, want) {
		t.Errorf("the table has\n%q, odpm reads\n%q", found, want)
	}
}

// misspeltProject is a directory with these files.
func misspeltProject(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMisspelt: POSTGRES_PROT and odo_version passed silently.
func TestMisspelt(t *testing.T) {
	dir := misspeltProject(t, map[string]string{
		".env":               "# mine\nPOSTGRES_PROT=5433\nMAIL_PORT=25\nODPM_NOVELTY=1\nODPM_POSTGRES_DATADIR=x\n",
		"odpm.json":          "{\n \"postgres_version\": \"17\",\n \"odoo_version\": \"18.0\",\n \"platform_nam\": \"odoo\",\n \"addons\": []\n}\n",
		"user_settings.json": `{"int_modules": ["sale"], "db_creation_data": {"db_default_admin_pasword_file": "x"}}`,
	})
	p, err := Load(dir, []string{"POSTGRES_PROT=1"}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(p.Warnings, "\n")
	for _, want := range []string{
		".env:4: odpm does not read ODPM_NOVELTY",
		".env:5: odpm does not read ODPM_POSTGRES_DATADIR; did you mean ODPM_POSTGRES_DATA_DIR?",
		"odpm.json:4:2: odpm does not read platform_nam; did you mean platform_name?",
		"user_settings.json:1:2: odpm does not read int_modules; did you mean init_modules?",
		"user_settings.json:1:48: odpm does not read db_default_admin_pasword_file; did you mean db_default_admin_password_file?",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "MAIL_PORT") || strings.Contains(got, "addons") {
		t.Errorf("another program's key:\n%s", got)
	}
	if p, err = Load(dir, nil, ""); err != nil || !strings.Contains(strings.Join(p.Warnings, "\n"), ".env:2: odpm does not read POSTGRES_PROT; did you mean POSTGRES_PORT?") {
		t.Errorf("%v %q", err, p.Warnings)
	}
}

// TestMissingUnderAnotherName: the error says where the key probably is.
func TestMissingUnderAnotherName(t *testing.T) {
	dir := misspeltProject(t, map[string]string{"odpm.json": "{\"postgres_version\": \"17\",\n\"odo_version\": \"18.0\"}"})
	_, err := Load(dir, nil, "")
	if err == nil || !strings.Contains(err.Error(), "odpm.json:2:1: odpm does not read odo_version; did you mean odoo_version?") {
		t.Errorf("%v", err)
	}
}

// TestWhereInJSON: line and column of what is wrong.
func TestWhereInJSON(t *testing.T) {
	for text, want := range map[string]string{
		"{\n  \"a\": 1\n  \"b\": 2\n}":   "odpm.json:3:3: ",
		"{\n  \"ä\": nul\n}":             "odpm.json:2:11: ",
		"{\"a\": 1}\n{\"b\": 2}":         "odpm.json:2:1: ",
		"{\n  \"a\": [1, 2\n":            "odpm.json:2:13: ",
		"":                               "odpm.json: the file is empty",
		"[1]":                            "odpm.json:1:1: found a list",
		"\ufeff{\"a\": 01}":              "odpm.json:1:8: ",
		"{\n  // a comment\n  \"a\": 1}": "odpm.json:2:3: ",
	} {
		_, err := object([]byte(text), "odpm.json")
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
