// Command release makes what is published of one commit: archives, Debian and
// RPM packages, the checker's image, a bill of materials and checksums. It is a
// module of its own, so that nothing it needs is in odpm's go.mod.
//
// The same commit makes the same bytes, wherever it lies and whenever it is
// built: every date is the commit's, and every order is sorted.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	out := flag.String("o", "dist", "where to; what is there is removed first")
	allow := flag.Bool("allow-dirty", false, "build although the tree has changes; not for publishing")
	tag := flag.String("changelog", "", "only move changelog/unreleased into CHANGELOG.md as `TAG`")
	flag.Parse()
	var err error
	if *tag != "" {
		err = collect("..", *tag, time.Now().UTC())
	} else {
		err = release(*out, *allow)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(out string, allowDirty bool) error {
	src, err := source(allowDirty)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	for _, dir := range []string{out, filepath.Join(out, ".parts")} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	r := &run{commit: src, out: out, parts: filepath.Join(out, ".parts")}
	defer os.RemoveAll(r.parts)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"programs", r.programs},
		{"manual pages and completions", r.documents},
		{"archives", r.archives},
		{"packages", r.packages},
		{"the checker's image", r.image},
		{"bill of materials", r.materials},
		{"checksums", r.checksums},
	} {
		fmt.Println(step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	fmt.Println(r.version, "is in", r.out)
	return nil
}
