package world

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/odpm/odpm/host/state"
)

// FindChecker looks for the binary: $ODPM_CHECKER, else beside odpm itself.
// goos is what it must run on, "" for this machine.
func FindChecker(env map[string]string, goos string, d state.Dirs) Checker {
	path, err := CheckerPath(env, cmp.Or(goos, runtime.GOOS))
	if err != nil {
		return Checker{Err: err}
	}
	digest, err := checkerDigest(path, d)
	return Checker{Path: path, Digest: digest, Err: err}
}

// CheckerPath is where odpm-checker lies.
func CheckerPath(env map[string]string, goos string) (string, error) {
	if path := env["ODPM_CHECKER"]; path != "" {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("ODPM_CHECKER names %s, which is not a file. Build it:\n  %s", path, checkerBuild(goos))
		}
		return filepath.Abs(path)
	}
	self, err := os.Executable()
	if err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		path := filepath.Join(filepath.Dir(self), "odpm-checker")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	if path, err := exec.LookPath("odpm-checker"); err == nil && goos == runtime.GOOS {
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("odpm-checker, the program that proves the login in front of Odoo, was not found beside odpm. Build it for %s and name it in ODPM_CHECKER:\n  %s", goos, checkerBuild(goos))
}

func checkerBuild(goos string) string {
	return "GOOS=" + goos + " CGO_ENABLED=0 GOBIN=$PWD go install github.com/odpm/odpm/checker/cmd/odpm-checker@latest && export ODPM_CHECKER=$PWD/odpm-checker"
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
