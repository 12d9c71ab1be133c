package beneath_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/odpm/odpm/shared/beneath"
)

// Two runs in a new project make the same directories, and the faster one uses
// them at once.
func TestMkdirAllTogether(t *testing.T) {
	root, err := beneath.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for round := range 300 {
		name := fmt.Sprintf("project%d/state", round)
		var wg sync.WaitGroup
		for who := range 4 {
			wg.Go(func() {
				d, err := root.MkdirAll(name, 0o700, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer d.Close()
				if err := d.WriteFile(fmt.Sprintf("lock%d", who), []byte("x"), 0o600, -1, -1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
