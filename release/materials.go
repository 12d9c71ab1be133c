package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// materials writes what is in the programs, as the programs themselves say it:
// a CycloneDX document with every Go module and the standard library.
func (r *run) materials() error {
	bom := cdx.NewBOM()
	app := r.component("odpm")
	bom.Metadata = &cdx.Metadata{Timestamp: r.date.Format(time.RFC3339), Component: &app}
	parts := map[string]cdx.Component{}
	var dependencies []cdx.Dependency
	for name, file := range map[string]string{"odpm": r.odpm(hosts[0]), "odpm-checker": r.checker(containers[0].arch)} {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return err
		}
		program := r.component(name)
		program.BOMRef += "#" + info.Path
		needs := []string{}
		add := func(name, version string) {
			purl := "pkg:golang/" + name + "@" + version
			parts[purl] = cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: purl, Name: name, Version: version, PackageURL: purl, Scope: cdx.ScopeRequired}
			needs = append(needs, purl)
		}
		add("std", strings.TrimPrefix(info.GoVersion, "go"))
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			add(m.Path, m.Version)
		}
		slices.Sort(needs)
		parts[program.BOMRef] = program
		dependencies = append(dependencies, cdx.Dependency{Ref: program.BOMRef, Dependencies: &needs})
	}
	components := make([]cdx.Component, 0, len(parts))
	for _, c := range parts {
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	slices.SortFunc(dependencies, func(a, b cdx.Dependency) int { return strings.Compare(a.Ref, b.Ref) })
	bom.Components, bom.Dependencies = &components, &dependencies
	f, err := os.Create(filepath.Join(r.out, "odpm_"+r.version+"_sbom.cdx.json"))
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (r *run) component(name string) cdx.Component {
	purl := "pkg:golang/github.com/odpm/odpm@" + r.tag
	return cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: purl, Name: name, Version: r.tag, PackageURL: purl,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
}

// checksums writes SHA256SUMS, as sha256sum --check reads it.
func (r *run) checksums() error {
	all, err := files(r.out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range all {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(h.Sum(nil)), filepath.Base(name))
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644)
}
