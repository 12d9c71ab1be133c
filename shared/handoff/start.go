package handoff

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/odpm/odpm/shared/durable"
)

// StartFileName is start.json, beside checker.json: the id of the start of
// Odoo that odpm is about to make. A checker reads it before anything else and
// puts it into what it records, so that odpm knows the record of this start
// from one of an earlier start. Neither time nor inode of the file would do:
// ext4 gives an inode out again at once, and a clock may be set.
const StartFileName = "start.json"

// startIDLength is that of the id, in hexadecimal digits.
const startIDLength = 32

// NewStartID is one that nobody has had.
func NewStartID() string {
	b := make([]byte, startIDLength/2)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

type startDocument struct {
	ID string `json:"start_id"`
}

// SaveStart announces a start in dir (.odpm/runtime on the host).
func SaveStart(dir, id string) error {
	b, err := json.Marshal(startDocument{id})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, StartFileName), append(b, '\n'), 0o644)
}

// LoadStart reads the id of the start that was announced in dir. Without one
// it is "": a record can do without, and odpm then proves the login itself.
func LoadStart(dir string) string {
	f, err := os.OpenFile(filepath.Join(dir, StartFileName), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<10))
	var d startDocument
	if err != nil || json.Unmarshal(data, &d) != nil || len(d.ID) != startIDLength || strings.Trim(d.ID, "0123456789abcdef") != "" {
		return ""
	}
	return d.ID
}
