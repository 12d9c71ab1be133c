package foreign

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/shared/regular"
)

// TestOnlyFiles: a pipe or a device where compose's loader reads a file is an
// error, and nobody waits for it.
func TestOnlyFiles(t *testing.T) {
	for name, tt := range map[string]struct{ text, pipe string }{
		"include":    {"include: [more.yml]\nservices: {db: {image: postgres:15}}\n", "more.yml"},
		"extends":    {"services: {db: {image: postgres:15, extends: {file: more.yml, service: db}}}\n", "more.yml"},
		"env_file":   {"services: {db: {image: postgres:15, env_file: [some.env]}}\n", "some.env"},
		"dotenv":     {"services: {db: {image: postgres:15}}\n", ".env"},
		"a device":   {"services: {db: {image: postgres:15, env_file: [/dev/zero]}}\n", ""},
		"the others": {"services: {db: {image: postgres:15}}\n", "compose.override.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.pipe != "" {
				if err := unix.Mkfifo(filepath.Join(dir, tt.pipe), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			end := make(chan error, 1)
			go func() { _, err := Read(context.Background(), dir, nil); end <- err }()
			select {
			case err := <-end:
				if !errors.Is(err, regular.ErrNotRegular) {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it waits")
			}
		})
	}
}
