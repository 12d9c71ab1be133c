package typed

import (
	"errors"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		said string
		// want are parts of the problems, in order.
		want []string
	}{
		"fine":              {"[stderr]\nodpm: no.\nTo continue:\n  odpm plan        shows it\n  odpm --replace-compose        replaces it\n", nil},
		"no command":        {"[stderr]\n  odpm plam\n", []string{"plam"}},
		"order":             {"[stderr]\n  odpm --replace-compose\n  odpm plan\n", []string{"comes after"}},
		"no sudo":           {"[stderr]\n  chown me /srv/x\n", []string{"sudo"}},
		"the system's":      {"[stderr]\n  sudo chmod g+w /srv\n", []string{"of the system"}},
		"on a screen":       {"[stdout]\nrefused  no\n  odpm plam\n", []string{"plam"}},
		"two paragraphs":    {"[stdout]\nRefused: a\n  odpm --replace-compose\nRefused: b\n  odpm plan\n", nil},
		"in JSON":           {"[stdout]\n{\n  \"error\": {\n    \"next\": [\n      \"odpm plam\"\n    ]\n  }\n}\n", []string{"plam"}},
		"a template":        {"[stderr]\n  docker stop <container>\n", []string{"sh -n"}},
		"a template, too":   {"[stderr]\n  docker stop '<container>'\n", []string{"cannot be typed"}},
		"a secret":          {"[stderr]\n  psql postgres://odoo:***@db/prod\n", []string{"cannot be typed"}},
		"a hole":            {"[stderr]\n  kill -TERM  12\n", []string{"a value is missing"}},
		"not said":          {"[stderr]\n  odpm -d NAME --db-backup        a backup\n", []string{"what NAME is"}},
		"said":              {"[stderr]\n  odpm -d NAME --db-backup        a backup of the database NAME\n", nil},
		"a space":           {"[stderr]\n  mv /srv/my shop/a /srv/b\n", []string{"3 operands"}},
		"a space, quoted":   {"[stderr]\n  mv '/srv/my shop/a' '/srv/b c'\n", nil},
		"no flag of docker": {"[stderr]\n  docker stop --at-once x\n", []string{"unknown flag"}},
		"none of compose":   {"[stderr]\n  docker compose -p x stoop db\n", []string{"stoop"}},
		"a volume":          {"[stderr]\n  docker compose -p x down -v\n  docker compose -p x stop -t 120 db\n", []string{"comes after"}},
		"docker's error":    {"[stderr]\nodpm: The image x:1 is not on this machine and could not be pulled. Nothing was written or started.\n  reason: docker pull: Get \"https://registry-1.docker.io/v2/\": no such host\n", nil},
		"in a sentence":     {"[stderr]\nodpm: no; stop it: docker compose -p x stop -t 120 db, then run odpm again\n", nil},
	} {
		got := Judge("> exec odpm\n"+tt.said+"> exec cat x\n[stderr]\n  odpm nothing\n", Docker)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
	}
	odd := func(string) error { return errors.New("odd") }
	if got := Judge("> exec odpm\n[stderr]\n  odpm plan\n", odd); len(got) != 1 || !strings.Contains(got[0], "odd") {
		t.Errorf("%q", got)
	}
}
