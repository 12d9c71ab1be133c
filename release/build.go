package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// run makes one release.
type run struct {
	commit
	// out is where the release goes; parts holds what it is put together from.
	out, parts string
}

// platform is an operating system and an architecture in Go's words.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

var (
	// hosts are where odpm runs. Windows runs the linux one (WSL 2).
	hosts = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
	// containers are where the checker runs.
	containers = []platform{{"linux", "amd64"}, {"linux", "arm64"}}
)

func (r *run) odpm(p platform) string { return filepath.Join(r.parts, p.String(), "odpm") }

func (r *run) checker(arch string) string {
	return filepath.Join(r.parts, "checker", "odpm-checker-linux-"+arch)
}

// programs builds all of them, static and stripped.
func (r *run) programs() error {
	for _, p := range hosts {
		if err := r.build(p, "./host/cmd/odpm", r.odpm(p)); err != nil {
			return err
		}
	}
	for _, p := range containers {
		if err := r.build(p, "./checker/cmd/odpm-checker", r.checker(p.arch)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) build(p platform, pkg, to string) error {
	const v = "github.com/odpm/odpm/shared/version"
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", fmt.Sprintf("-s -w -X %[1]s.Number=%[2]s -X %[1]s.Commit=%[3]s -X %[1]s.Date=%[4]s", v, r.tag, r.hash, r.date.Format(time.RFC3339)),
		"-o", to, pkg)
	cmd.Dir = r.root
	// What a person's environment would change in the program is fixed.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GOTOOLCHAIN="+runtime.Version())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s for %s: %w\n%s", pkg, p, err, out)
	}
	return os.Chmod(to, 0o755)
}

// files lists a directory's files, sorted, by their full names.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}
