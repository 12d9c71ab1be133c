package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kinds are the sections of a release in CHANGELOG.md, in order.
var kinds = []string{"Security", "Added", "Changed", "Fixed", "Removed"}

// marker is the line of CHANGELOG.md below which releases stand.
const marker = "<!-- releases -->\n"

// collect moves the files of changelog/unreleased into CHANGELOG.md as tag.
func collect(root, tag string, day time.Time) error {
	if !tagRule.MatchString(tag) {
		return fmt.Errorf("%s is not a version like v1.2.3 or v1.2.3-rc.1", tag)
	}
	dir := filepath.Join(root, "changelog", "unreleased")
	all, err := files(dir)
	if err != nil {
		return err
	}
	sections := map[string][]string{}
	var done []string
	for _, name := range all {
		if filepath.Ext(name) != ".md" {
			continue
		}
		kind, text, err := change(name)
		if err != nil {
			return err
		}
		sections[kind] = append(sections[kind], text)
		done = append(done, name)
	}
	if len(done) == 0 {
		return errors.New("changelog/unreleased holds no change")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s (%s)\n", tag, day.Format(time.DateOnly))
	for _, kind := range kinds {
		if len(sections[kind]) > 0 {
			fmt.Fprintf(&b, "\n### %s\n\n%s\n", kind, strings.Join(sections[kind], "\n"))
		}
	}
	path := filepath.Join(root, "CHANGELOG.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, after, ok := strings.Cut(string(old), marker)
	if !ok {
		return fmt.Errorf("%s has no line %q", path, strings.TrimSpace(marker))
	}
	if strings.Contains(after, "\n## "+tag+" ") {
		return fmt.Errorf("%s has %s already", path, tag)
	}
	if err := os.WriteFile(path, []byte(before+marker+b.String()+after), 0o644); err != nil {
		return err
	}
	for _, name := range done {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// change reads one file: "Fixed: what is so now", and what more there is to say.
func change(path string) (kind, text string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	kind, rest, ok := strings.Cut(strings.TrimSpace(string(data)), ": ")
	if !ok || !slices.Contains(kinds, kind) {
		return "", "", fmt.Errorf("%s must begin with one of: %s:", path, strings.Join(kinds, ":, "))
	}
	return kind, "- " + strings.ReplaceAll(rest, "\n", "\n  "), nil
}
