package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// commit is what is released.
type commit struct {
	// root is the repository's directory.
	root string
	// tag is v1.2.3, or describes a commit between two; version is it without v.
	tag, version, hash string
	date               time.Time
}

// tagRule is that of CONTRIBUTING.md: semantic versions, and nothing else.
var tagRule = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(alpha|beta|rc)\.[1-9]\d*)?$`)

// source reads which commit this is. A tree with changes is none, and a release
// of it could not be made again.
func source(allowDirty bool) (c commit, err error) {
	git := func(args ...string) (out string) {
		if err != nil {
			return ""
		}
		cmd := exec.Command("git", args...)
		cmd.Dir = c.root
		cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C")
		b, failed := cmd.Output()
		if failed != nil {
			err = fmt.Errorf("git %s: %w", strings.Join(args, " "), failed)
		}
		return strings.TrimSpace(string(b))
	}
	c.root = git("rev-parse", "--show-toplevel")
	c.hash = git("rev-parse", "HEAD")
	date := git("log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ")
	tags := strings.Fields(git("tag", "--points-at", "HEAD"))
	changes := git("status", "--porcelain")
	if err != nil {
		return c, err
	}
	if changes != "" && !allowDirty {
		return c, errors.New("the tree has changes; commit them first:\n" + changes)
	}
	if c.date, err = time.Parse(time.RFC3339, date); err != nil {
		return c, err
	}
	for _, tag := range tags {
		if !tagRule.MatchString(tag) {
			continue
		}
		if c.tag != "" {
			return c, fmt.Errorf("the commit has two versions, %s and %s; delete one of the tags", c.tag, tag)
		}
		c.tag = tag
	}
	if c.tag == "" {
		// Sorts before every release, and by date among its kind.
		c.tag = fmt.Sprintf("v0.0.0-dev.%s.g%s", c.date.Format("20060102150405"), c.hash[:12])
	}
	c.version = strings.TrimPrefix(c.tag, "v")
	return c, nil
}
