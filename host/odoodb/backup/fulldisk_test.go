package backup

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestBackupOnAFullDisk: the system's words come with the next step.
func TestBackupOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	_, err = full.WriteString("x")
	if got := fullDisk(err); !errors.Is(got, syscall.ENOSPC) || !strings.Contains(got.Error(), "/dev/full: no space left on device; free up space there or set BACKUP_DIR") {
		t.Error(got)
	}
	if fullDisk(nil) != nil {
		t.Error("no error became one")
	}
}
