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

// machines are ELF's e_machine for the architectures that have a PostgreSQL or
// an Odoo image.
var machines = map[uint16]string{3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64"}

// runsOn looks at the head of a file. debug/elf would do it too, for 300 KB.
func runsOn(path string, on Platform) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s, which cannot be read: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s, which is not a file", path)
	}
	var head [20]byte
	if _, err := io.ReadFull(f, head[:]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if is := platformOf(head); is != on {
		if is.OS == "" {
			return fmt.Errorf("%s, which is not a program for %s", path, on)
		}
		return fmt.Errorf("%s, which is a program for %s, not for %s", path, is, on)
	}
	return nil
}

// platformOf knows ELF and Mach-O; the zero value is neither.
func platformOf(head [20]byte) Platform {
	le16 := func(i int) uint16 { return uint16(head[i]) | uint16(head[i+1])<<8 }
	switch string(head[:4]) {
	case "\x7fELF":
		machine := le16(18)
		if head[5] == 2 { // big endian
			machine = machine>>8 | machine<<8
		}
		return Platform{"linux", cmp.Or(machines[machine], fmt.Sprintf("machine %d", machine))}
	case "\xcf\xfa\xed\xfe":
		switch le16(4) {
		case 7:
			return Platform{"darwin", "amd64"}
		case 12:
			return Platform{"darwin", "arm64"}
		}
		return Platform{"darwin", "an unknown machine"}
	}
	return Platform{}
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
