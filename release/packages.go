package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	pkgfiles "github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers itself
)

func sortMembers(all []member) {
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
}

// packages writes a .deb and an .rpm for each linux machine.
func (r *run) packages() error {
	for _, p := range hosts {
		if p.os != "linux" {
			continue
		}
		for _, format := range []string{"deb", "rpm"} {
			if err := r.onePackage(p, format); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) onePackage(p platform, format string) error {
	contents, err := r.contents(p, format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "odpm", Arch: p.arch, Platform: p.os, Version: r.version, Release: "1", Section: "admin", Priority: "optional",
		Maintainer: "odpm maintainers <odpm@users.noreply.github.com>", Vendor: "odpm", Homepage: "https://github.com/odpm/odpm", License: "Apache-2.0", MTime: r.date,
		Description: "start Odoo on a PostgreSQL login that is proven, and show drift first\n" +
			"odpm compares a project with the last proven login, shows every difference\n" +
			"before anything is written or started, adopts inherited clusters, and backs up,\n" +
			"restores and drops Odoo databases.",
		Overridables: nfpm.Overridables{
			Contents: contents,
			// Static programs: nothing is required. One of the engines is there
			// already where odpm is of use, so none is pulled in either.
			Suggests: map[string][]string{"deb": {"docker.io | docker-ce", "postgresql"}, "rpm": {"docker-ce", "postgresql-server"}}[format],
			RPM:      nfpm.RPM{BuildHost: "localhost", Compression: "gzip", Summary: "Start Odoo on a PostgreSQL login that is proven, and show drift first"},
			Deb:      nfpm.Deb{Compression: "gzip"},
		},
	})
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, packager.ConventionalFileName(info)), b.Bytes(), 0o644)
}

// contents are a package's files. The checker of the other architecture is in
// it too: the image's may differ from the machine's.
func (r *run) contents(p platform, format string) (pkgfiles.Contents, error) {
	info := func(mode os.FileMode) *pkgfiles.ContentFileInfo {
		return &pkgfiles.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.date}
	}
	out := pkgfiles.Contents{
		{Source: r.odpm(p), Destination: "/usr/bin/odpm", FileInfo: info(0o755)},
		{Source: r.checker(p.arch), Destination: "/usr/bin/odpm-checker", FileInfo: info(0o755)},
	}
	for _, c := range containers {
		if c.arch != p.arch {
			out = append(out, &pkgfiles.Content{Source: r.checker(c.arch), Destination: "/usr/lib/odpm/" + filepath.Base(r.checker(c.arch)), FileInfo: info(0o755)})
		}
	}
	text := func(from, to string) {
		out = append(out, &pkgfiles.Content{Source: from, Destination: to, FileInfo: info(0o644)})
	}
	text(filepath.Join(r.completions(), "odpm.bash"), "/usr/share/bash-completion/completions/odpm")
	text(filepath.Join(r.completions(), "odpm.fish"), "/usr/share/fish/vendor_completions.d/odpm.fish")
	zsh := "/usr/share/zsh/vendor-completions/_odpm"
	if format == "rpm" {
		zsh = "/usr/share/zsh/site-functions/_odpm"
	}
	text(filepath.Join(r.completions(), "_odpm"), zsh)
	pages, err := files(r.man())
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		to, err := r.zipped(page, page)
		if err != nil {
			return nil, err
		}
		text(to, "/usr/share/man/man1/"+filepath.Base(page)+".gz")
	}
	text(filepath.Join(r.root, "LICENSE"), map[string]string{"deb": "/usr/share/doc/odpm/copyright", "rpm": "/usr/share/licenses/odpm/LICENSE"}[format])
	text(filepath.Join(r.root, "README.md"), "/usr/share/doc/odpm/README.md")
	changes, err := r.zipped(filepath.Join(r.root, "CHANGELOG.md"), filepath.Join(r.parts, "changelog"))
	if err != nil {
		return nil, err
	}
	text(changes, "/usr/share/doc/odpm/changelog.gz")
	return out, nil
}

// zipped writes name.gz, without a name or a date in it.
func (r *run) zipped(from, name string) (string, error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := zw.Write(data); err != nil {
		return "", err
	}
	if err := zw.Close(); err != nil {
		return "", err
	}
	to := filepath.Join(r.parts, "gz", filepath.Base(name)+".gz")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	return to, os.WriteFile(to, b.Bytes(), 0o644)
}
