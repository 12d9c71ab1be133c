package main

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image writes the checker's image for both architectures as an OCI layout in a
// tar file, which skopeo, crane, podman and Docker from 25 on read.
func (r *run) image() error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, c := range containers {
		img, err := r.oneImage(c)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: c.os, Architecture: c.arch}}})
	}
	dir := filepath.Join(r.parts, "oci")
	// An index of an index: the inner one is what a registry is given by its tag.
	top := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index,
		Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": r.version}}})
	if _, err := layout.Write(dir, top); err != nil {
		return err
	}
	return r.tarLayout(dir, filepath.Join(r.out, "odpm-checker_"+r.version+"_oci.tar"))
}

// oneImage is the same as Dockerfile.checker's target "binary".
func (r *run) oneImage(p platform) (v1.Image, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := r.add(tw, "odpm-checker", member{from: r.checker(p.arch), mode: 0o755}); err != nil {
		return nil, err
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "make dist"}})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, mustConfig(img, func(c *v1.ConfigFile) {
		c.OS, c.Architecture, c.Created = p.os, p.arch, v1.Time{Time: r.date}
		c.Config = v1.Config{Entrypoint: []string{"/odpm-checker"}, Labels: map[string]string{
			"org.opencontainers.image.title": "odpm-checker", "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version": r.tag, "org.opencontainers.image.revision": r.hash,
			"org.opencontainers.image.created": r.date.Format(time.RFC3339),
		}}
	}))
}

// mustConfig changes a copy of an image's configuration; one that was just made
// in memory can be read.
func mustConfig(img v1.Image, change func(*v1.ConfigFile)) *v1.ConfigFile {
	c, err := img.ConfigFile()
	if err != nil {
		panic(err)
	}
	c = c.DeepCopy()
	change(c)
	return c
}

func (r *run) tarLayout(dir, to string) (err error) {
	var all []member
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all = append(all, member{name: filepath.ToSlash(name), from: path, mode: 0o644})
		return err
	})
	if err != nil {
		return err
	}
	sortMembers(all)
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	tw := tar.NewWriter(f)
	for _, m := range all {
		if err := r.add(tw, m.name, m); err != nil {
			return err
		}
	}
	return tw.Close()
}
