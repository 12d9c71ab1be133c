package archive

import (
	"strings"
	"testing"
)

// TestPlacesInManifest: whoever wonders why a manifest is not used finds where it is
// broken, behind blank lines and a byte order mark, too.
func TestPlacesInManifest(t *testing.T) {
	for in, want := range map[string]string{
		byteOrderMark + "\n{\n  \"db_name\" \"x\"}": "line 3, column 13: not a JSON object: expected a colon, found '\"'",
		"\n\n[]":        "line 3, column 1: found a list; allowed: a JSON object",
		"{\"db_name\":": "line 1, column 12: not a JSON object: the file ends here",
		" \n":           "it is empty",
	} {
		if _, err := parseManifest([]byte(in)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}
