package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// member is a file of an archive.
type member struct {
	name string
	// from is the file, or link what a symbolic link points to.
	from, link string
	mode       int64
}

// archives holds, for each machine on which odpm runs, odpm with both linux
// checkers beside it: the image may be of another architecture than the host.
func (r *run) archives() error {
	for _, p := range hosts {
		all := []member{{name: "odpm", from: r.odpm(p), mode: 0o755}}
		for _, c := range containers {
			all = append(all, member{name: filepath.Base(r.checker(c.arch)), from: r.checker(c.arch), mode: 0o755})
		}
		if p.os == "linux" {
			// Without containers the checker runs on the host.
			all = append(all, member{name: "odpm-checker", link: filepath.Base(r.checker(p.arch))})
		}
		for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"} {
			all = append(all, member{name: name, from: filepath.Join(r.root, name), mode: 0o644})
		}
		for dir, from := range map[string]string{"man": r.man(), "completions": r.completions()} {
			generated, err := files(from)
			if err != nil {
				return err
			}
			for _, f := range generated {
				all = append(all, member{name: dir + "/" + filepath.Base(f), from: f, mode: 0o644})
			}
		}
		name := fmt.Sprintf("odpm_%s_%s", r.version, p)
		if err := r.tarball(filepath.Join(r.out, name+".tar.gz"), name, all); err != nil {
			return err
		}
	}
	return nil
}

// tarball writes one, sorted, owned by nobody in particular, dated like the
// commit.
func (r *run) tarball(to, top string, all []member) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	zw, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	sortMembers(all)
	for _, m := range all {
		if err := r.add(tw, path.Join(top, m.name), m); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

func (r *run) add(tw *tar.Writer, name string, m member) error {
	head := &tar.Header{Name: name, Mode: m.mode, ModTime: r.date, Format: tar.FormatPAX, Typeflag: tar.TypeReg}
	if m.link != "" {
		head.Typeflag, head.Linkname, head.Mode = tar.TypeSymlink, m.link, 0o777
		return tw.WriteHeader(head)
	}
	f, err := os.Open(m.from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head.Size = info.Size()
	if err := tw.WriteHeader(head); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}
