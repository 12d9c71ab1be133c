package tag_test

import (
	"testing"

	"github.com/odpm/odpm/host/project/tag"
)

func TestMajor(t *testing.T) {
	for in, want := range map[string]int{"15": 15, "15.6": 15, "9.6": 9, "16-alpine": 16, "16.1-bookworm": 16,
		"latest": 0, "": 0, "17beta1": 17, "2024.1": 0, "15x": 0} {
		if got := tag.Major(in); got != want {
			t.Errorf("Major(%q) = %d, want %d", in, got, want)
		}
	}
}
