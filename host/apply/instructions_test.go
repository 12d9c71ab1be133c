package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeepOrWipe: what destroys something is last, and every command can be typed.
func TestKeepOrWipe(t *testing.T) {
	for name, tt := range map[string]struct {
		previous, current string
		want              []string
	}{
		"directories": {"/srv/my shop/pg15", "/srv/my shop/pg16", []string{
			"docker compose -p acme down        data stays",
			"sudo cp -a '/srv/my shop/pg15'/. '/srv/my shop/pg16'/",
			"sudo rm -r '/srv/my shop/pg16'"}},
		"out of a volume": {"volume:acme_db/data", "/srv/pg16", []string{
			"docker compose -p acme down        data stays",
			"docker run --rm --user 0 -v acme_db:/from:ro -v /srv/pg16:/to --entrypoint cp postgres:15 -a /from/data/. /to/",
			"sudo rm -r /srv/pg16"}},
		"into a volume": {"/srv/pg15", "volume:acme_db/data", []string{
			"docker compose -p acme down        data stays",
			"docker run --rm --user 0 -v /srv/pg15:/from:ro -v acme_db:/to --entrypoint cp postgres:15 -a /from/. /to/data/",
			"docker volume rm acme_db && docker volume create acme_db"}},
		"out of an external server":  {"external", "/srv/pg16", []string{"odpm -d NAME --db-backup", "odpm -d NAME --db-restore FILE"}},
		"out of an anonymous volume": {"anonymous:db", "/srv/pg16", []string{"odpm -d NAME --db-backup", "odpm -d NAME --db-restore FILE"}},
	} {
		var got []string
		for _, line := range keepOrWipe(tt.previous, tt.current, "acme", "postgres:15") {
			if command, ok := strings.CutPrefix(line, "  "); ok {
				got = append(got, command)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
