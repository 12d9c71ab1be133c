package docker

import (
	"bytes"
	"testing"
)

// docker compose logs at every command that the file has a version.
func TestWithoutObsolete(t *testing.T) {
	const version = "time=\"2026-11-27T12:00:00Z\" level=warning msg=\"/p/docker-compose.yml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion\"\n"
	const other = "time=\"2026-11-27T12:00:00Z\" level=warning msg=\"The \\\"X\\\" variable is not set. Defaulting to a blank string.\"\n"
	var got bytes.Buffer
	w := &withoutObsolete{to: &got}
	for _, piece := range []string{version[:9], version[9:] + " Container a  Creating\n" + other, " Container a", "  Created\n" + version, "the end"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	if want := " Container a  Creating\n" + other + " Container a  Created\nthe end"; got.String() != want {
		t.Errorf("%q", got.String())
	}
}
