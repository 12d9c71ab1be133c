package world

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/state"
)

// Platform is what a program runs on, in Go's words, which are Docker's too:
// {"linux", "arm64"}.
type Platform struct{ OS, Arch string }

// Here is this machine.
var Here = Platform{runtime.GOOS, runtime.GOARCH}

// InContainers is what an image of this machine's engine is, unless it says
// another architecture ("" for unknown).
func InContainers(arch string) Platform { return Platform{"linux", cmp.Or(arch, runtime.GOARCH)} }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// FindChecker looks for the binary: $ODPM_CHECKER, else beside odpm itself.
func FindChecker(env map[string]string, on Platform, d state.Dirs) Checker {
	path, err := CheckerPath(env, on)
	if err != nil {
		return Checker{On: on, Err: err}
	}
	digest, err := checkerDigest(path, d)
	return Checker{On: on, Path: path, Digest: digest, Err: err}
}

// CheckerFor looks for the one that runs in an image.
func CheckerFor(env map[string]string, ref string, img engine.Image, d state.Dirs) Checker {
	c := FindChecker(env, InContainers(img.Arch), d)
	c.startsIn(ref, img)
	return c
}

// NoChecker is an odpm-checker that is not there, or runs elsewhere.
type NoChecker struct{ What string }

func (e *NoChecker) Error() string { return e.What }

// CheckerPath is where the odpm-checker that runs on a platform lies. A program
// of another one is never taken: Odoo's container would be replaced by one
// that cannot start.
func CheckerPath(env map[string]string, on Platform) (string, error) {
	if path := env["ODPM_CHECKER"]; path != "" {
		if err := runsOn(path, on); err != nil {
			return "", &NoChecker{fmt.Sprintf("ODPM_CHECKER names %v. Build it:\n  %s", err, checkerBuild(on))}
		}
		return filepath.Abs(path)
	}
	var wrong []string
	for _, path := range checkerPlaces(on) {
		err := runsOn(path, on)
		if err == nil {
			return filepath.Abs(path)
		}
		if !errors.Is(err, os.ErrNotExist) {
			wrong = append(wrong, err.Error())
		}
	}
	why := "was not found beside odpm"
	if len(wrong) > 0 {
		why += " for " + on.String() + "; there is " + strings.Join(wrong, ", and ")
	}
	return "", &NoChecker{fmt.Sprintf("odpm-checker, the program that proves the login in front of Odoo, %s. Build it for %s and name it in ODPM_CHECKER:\n  %s", why, on, checkerBuild(on))}
}

// checkerPlaces are where a release has it: an archive has one for each
// architecture beside odpm, a package has the other architecture's in lib/odpm.
func checkerPlaces(on Platform) []string {
	var out []string
	named := "odpm-checker-" + on.OS + "-" + on.Arch
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		dir := filepath.Dir(self)
		out = append(out, filepath.Join(dir, "odpm-checker"), filepath.Join(dir, named), filepath.Join(dir, "..", "lib", "odpm", named))
	}
	if path, err := exec.LookPath("odpm-checker"); err == nil {
		out = append(out, path)
	}
	return out
}

// checkerBuild is a command for a shell. go install refuses a GOBIN where it
// builds for another platform, and has a directory for each of these.
func checkerBuild(on Platform) string {
	dir := "bin"
	if on != Here {
		dir += "/" + on.OS + "_" + on.Arch
	}
	return fmt.Sprintf("GOBIN= GOOS=%s GOARCH=%s CGO_ENABLED=0 go install github.com/odpm/odpm/checker/cmd/odpm-checker@latest && export ODPM_CHECKER=$(go env GOPATH)/%s/odpm-checker", on.OS, on.Arch, dir)
}

// checkerDigest is the file's SHA-256. Reading some megabytes at each look is
// most of a plan's time, so a run remembers it for the file as it was.
func checkerDigest(path string, d state.Dirs) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if line, err := d.Remembered(state.CheckerFile); err == nil {
		if was, digest, ok := strings.Cut(line, " = "); ok && was == CheckerStamp(path, info) {
			return digest, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// CheckerStamp tells one state of the file from another.
func CheckerStamp(path string, info os.FileInfo) string {
	return fmt.Sprintf("%s %d %d %s", path, info.Size(), info.ModTime().UnixNano(), inode(info))
}
