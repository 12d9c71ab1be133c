package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/odpm/odpm/checker/settings"
	"github.com/odpm/odpm/host/cli"
)

func (r *run) man() string         { return filepath.Join(r.parts, "man") }
func (r *run) completions() string { return filepath.Join(r.parts, "completions") }

// documents writes what is generated from the commands themselves.
func (r *run) documents() error {
	for _, dir := range []string{r.man(), r.completions()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	root := cli.New(os.Stdin, os.Stdout, os.Stderr, nil, nil, nil).Command()
	root.Version = r.version
	if err := completions(root, r.completions()); err != nil {
		return err
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	prepare(root)
	head := doc.GenManHeader{Section: "1", Source: "odpm " + r.version, Manual: "odpm", Date: &r.date}
	if err := doc.GenManTree(root, &head, r.man()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.man(), "odpm-checker.1"), r.checkerPage(), 0o644)
}

// prepare adds the exit codes, which cobra's pages do not know, and leaves out
// the line that says who wrote the page.
func prepare(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	if cmd.Runnable() && cmd.Name() != "help" && (cmd.Parent() == nil || cmd.Parent().Name() != "completion") {
		// Four columns of indentation are a block that is printed as it stands.
		codes := "    " + strings.ReplaceAll(strings.TrimSpace(cli.ExitCodes(cmd.Annotations)), "\n  ", "\n    ")
		cmd.Long = "\n" + block(cmd.Long) + "\n\n# EXIT STATUS\n\n" + codes + "\n"
	}
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}

// block keeps the lines of a help text that are indented on purpose.
func block(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

// completions are for the three shells that have a place of their own for them.
func completions(root *cobra.Command, dir string) error {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"odpm.bash": func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"_odpm":     func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"odpm.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkerPage is the checker's own help text as a page; it has no cobra.
func (r *run) checkerPage() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH \"ODPM-CHECKER\" \"1\" %q %q \"odpm\"\n", r.date.Format("Jan 2006"), "odpm "+r.version)
	fmt.Fprintf(&b, ".SH NAME\nodpm\\-checker \\- prove the PostgreSQL login that Odoo will use, then become Odoo\n.SH DESCRIPTION\n.nf\n")
	for _, line := range strings.Split(strings.TrimRight(settings.Usage, "\n"), "\n") {
		line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	b.WriteString(".fi\n.SH SEE ALSO\n\\fBodpm\\fP(1)\n")
	return b.Bytes()
}
