package desired

import (
	"encoding/json"
	"slices"
	"testing"
)

// What is no JSON in a Dockerfile's ENTRYPOINT the builder takes for a shell's
// line, and says nothing.
func TestEntrypointIsJSON(t *testing.T) {
	words := []string{"/entry.sh", "a b", `say "hi" \ there`, "bell\a escape\x1b", "<&>", "\U000e0001 ünï"}
	var got []string
	if err := json.Unmarshal([]byte(jsonArray(words)), &got); err != nil || !slices.Equal(got, words) {
		t.Errorf("%s: %q %v", jsonArray(words), got, err)
	}
}
