package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// FindChecker looks for the binary: $ODPM_CHECKER, else beside odpm itself.
func FindChecker(env map[string]string, goos string) (string, error) {
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
