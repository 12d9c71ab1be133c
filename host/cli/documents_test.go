package cli

import (
	"testing"

	"github.com/odpm/odpm/docs/schemas"
)

// TestDocuments: the schemas have exactly the members that are written.
func TestDocuments(t *testing.T) {
	for name, doc := range map[string]any{"run": runDoc{}, "init": initDoc{}, "doctor": doctorDoc{}, "stop": stopDoc{}, "explain": explainDoc{}, "database-names": namesDoc{}, "error": errorDoc{}, "reviewed-plan": reviewedFile{}} {
		got, err := schemas.Differences(name, doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			t.Error(d)
		}
	}
}
