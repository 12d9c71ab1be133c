package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestDocumented: docs/reference/command-line.md has every flag and every command, and
// nothing else.
func TestDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/reference/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	known := map[string]bool{"--help": true, "--version": true}
	// Names that plan's flags have as well.
	for _, name := range planShort {
		known["--"+name] = true
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Runnable() && cmd.Name() != "database" && !strings.Contains(page, "\n"+cmd.CommandPath()) {
			t.Errorf("there is no %s", cmd.CommandPath())
		}
		if cmd.Name() == "completion" {
			return // cobra's own: one command for each SHELL
		}
		see := func(f *pflag.Flag) { known["--"+f.Name] = true }
		cmd.Flags().VisitAll(see)
		cmd.PersistentFlags().VisitAll(see)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(New(os.Stdin, os.Stdout, os.Stderr, nil, nil, nil).root)
	for name := range known {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not there", name)
		}
	}
	for _, name := range regexp.MustCompile(`--[a-z][a-z_-]*`).FindAllString(page, -1) {
		if strings.Contains(name, "_") {
			continue // Odoo's own
		}
		if !known[name] {
			t.Errorf("no command has %s", name)
		}
	}
}
