package engines

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/durable"
)

// remembered is state.ImageFile. Reading an image's files takes a container that
// is made and removed, and they never change under the same ID.
type remembered struct {
	// By is the odpm that has read them; another may see more in them.
	By    string            `json:"by"`
	ID    string            `json:"id"`
	Files engine.ImageFiles `json:"files"`
}

// RememberImage keeps what an image's files have shown.
func RememberImage(d state.Dirs, id string, files engine.ImageFiles) error {
	by := program()
	if by == "" || id == "" || reflect.DeepEqual(knownImages(d)[id], files) {
		return nil
	}
	text, err := json.Marshal(remembered{by, id, files})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(d.State(), state.ImageFile), append(text, '\n'), 0o600)
}

// knownImages is empty where nothing is remembered, or not by this odpm.
func knownImages(d state.Dirs) map[string]engine.ImageFiles {
	text, err := d.Read(state.ImageFile)
	var r remembered
	if err != nil || json.Unmarshal(text, &r) != nil || r.ID == "" || r.By == "" || r.By != program() {
		return nil
	}
	return map[string]engine.ImageFiles{r.ID: r.Files}
}

// program stands for this odpm's file, "" where it is unknown.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano())
}
