package setup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The plan says of each compose file what becomes of it.
func TestInPlace(t *testing.T) {
	for _, c := range []struct {
		there []string
		file  string
		want  []string
	}{
		{[]string{"docker-compose.yml"}, "docker-compose.yml", []string{"keep    docker-compose.yml under a dated name; odpm's own takes its place"}},
		{[]string{"compose.yaml"}, "./compose.yaml", []string{"keep    compose.yaml under a dated name; odpm's own takes its place"}},
		{[]string{"prod.yaml"}, "prod.yaml", []string{"write   docker-compose.yml, odpm's own; prod.yaml stays as it is"}},
		{[]string{"docker-compose.yml", "prod.yaml"}, "prod.yaml", []string{"keep    docker-compose.yml under a dated name; odpm's own takes its place", "stays   prod.yaml as it is"}},
		{nil, "../shop/docker-compose.yml", []string{"write   docker-compose.yml, odpm's own; ABOVE/shop/docker-compose.yml stays as it is"}},
	} {
		above := t.TempDir()
		dir := filepath.Join(above, "p")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range c.there {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for i := range c.want {
			c.want[i] = strings.ReplaceAll(c.want[i], "ABOVE", above)
		}
		if got := inPlace(dir, c.file); !slices.Equal(got, c.want) {
			t.Errorf("%v, %s:\n%q\nnot\n%q", c.there, c.file, got, c.want)
		}
	}
}
