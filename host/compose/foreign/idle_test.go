package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A container that waits for somebody starts no Odoo, whatever stands in front.
func TestIdles(t *testing.T) {
	for said, want := range map[string]bool{
		"command: sleep infinity":                        true,
		"command: [tail, -f, /dev/null]":                 true,
		"command: /bin/bash":                             true,
		"command: bash -l":                               true,
		"command: cat":                                   true,
		"command: odoo":                                  false,
		"command: ./start.sh":                            false,
		"command: bash /start.sh":                        false,
		"command: --dev=all":                             false,
		"command: [odoo, shell, -d, prod]":               false,
		"command: []":                                    false,
		"tty: true":                                      false,
		"entrypoint: sleep infinity":                     true,
		"entrypoint: [sleep, infinity]":                  true,
		"entrypoint: \"\"\n    command: bash":            true,
		"entrypoint: []\n    command: [sleep, \"9999\"]": true,
		"entrypoint: /entrypoint.sh\n    command: sleep infinity":                     true,
		"entrypoint: [/entrypoint.sh]\n    command: [tail, -f, /dev/null]":            true,
		"entrypoint: [/entrypoint.sh, bash]":                                          true,
		"entrypoint: bash /entrypoint.sh\n    command: cat":                           true,
		"entrypoint: tini --\n    command: sleep infinity":                            true,
		"entrypoint: [tini, -s, --, /entrypoint.sh]\n    command: [sleep, infinity]":  true,
		"entrypoint: gosu odoo\n    command: sleep infinity":                          true,
		"command: [env, A=b, sleep, infinity]":                                        true,
		"entrypoint: [/wait-for-it.sh, \"db:5432\", --]\n    command: sleep infinity": true,
		"entrypoint: [/on.sh, \"db:5432\", --, /entrypoint.sh]\n    command: [bash]":  true,
		"entrypoint: /entrypoint.sh\n    command: odoo":                               false,
		"entrypoint: /entrypoint.sh":                                                  false,
		"entrypoint: /off.sh\n    command: sleep infinity":                            false,
		"entrypoint: /unknown.sh\n    command: sleep infinity":                        false,
		"entrypoint: [/wait-for-it.sh, \"db:5432\", --, /entrypoint.sh, odoo]":        false,
		"entrypoint: [odoo]\n    command: [sleep]":                                    false,
	} {
		f := idleFile(t, said)
		if line, got := Idles(f.Doc.Services["odoo"], Front{}); got != want {
			t.Errorf("%s: %t %q", said, got, line)
		}
	}
	for text, want := range map[string]bool{
		"while sleep 1000; do :; done":                           true,
		"echo ready; exec sleep infinity":                        true,
		"trap : TERM INT; sleep infinity & wait":                 true,
		"mkdir -p /x && chown odoo /x && exec tail -f /dev/null": true,
		"bash":                                   true,
		"exec /entrypoint.sh sleep infinity":     true,
		"pip install -r x && exec odoo":          false,
		"sleep 10; /start.sh":                    false,
		"sleep 10 && odoo":                       false,
		"service odoo start; tail -f /var/log/x": false,
		"tail -f /var/log/odoo.log & exec odoo":  false,
		"echo nothing":                           false,
	} {
		for _, form := range []string{"command: [/bin/sh, -c, '" + text + "']", "command: 'bash -lc \"" + text + "\"'", "entrypoint: [/entrypoint.sh, bash, -ec]\n    command: ['" + text + "']",
			"entrypoint: 'sh -c \"" + text + "\"'"} {
			f := idleFile(t, form)
			if line, got := Idles(f.Doc.Services["odoo"], Front{}); got != want {
				t.Errorf("%s: %t %q", form, got, line)
			}
		}
	}
}

func idleFile(t *testing.T, said string) *File {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"on.sh": "#!/bin/bash\nshift 2\nexec \"$@\"\n", "off.sh": "#!/bin/bash\nexec odoo\n",
		"docker-compose.yml": "services:\n  odoo:\n    image: odoo:17.0\n    volumes: [\"./on.sh:/on.sh\", \"./off.sh:/off.sh\"]\n    " + said + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Read(t.Context(), filepath.Join(dir, "docker-compose.yml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What the image stands in front with is known once it is on this machine.
func TestImageIdles(t *testing.T) {
	own := Front{Entrypoint: []string{"/run.sh"}, Command: []string{"bash"}, Script: "/run.sh"}
	on := own
	on.HandsOn = true
	for said, want := range map[string]struct {
		image Front
		idles bool
	}{
		"command: sleep infinity":  {own, false},
		"command: sleep  infinity": {on, true},
		"tty: true":                {on, true},
		"tty: false":               {own, false},
		"stdin_open: true":         {Front{Entrypoint: []string{"sleep", "infinity"}}, true},
		"entrypoint: /run.sh\n    command: sleep infinity":  {on, true},
		"entrypoint: /run.sh\n    command: sleep  infinity": {own, false},
		"command: odoo": {on, false},
	} {
		f := idleFile(t, said)
		line, got := Idles(f.Doc.Services["odoo"], want.image)
		if got != want.idles || got && strings.Join(line, " ") == "" {
			t.Errorf("%s with %+v: %t %q", said, want.image, got, line)
		}
	}
}

// odpm's own file starts Odoo: what waits in its place stays behind, and is named.
func TestIdleEntrypointStays(t *testing.T) {
	for _, said := range []string{"entrypoint: sleep infinity", "entrypoint: [tail, -f, /dev/null]", "entrypoint: [sh, -c, 'sleep infinity']"} {
		f := readText(t, "services:\n  odoo: {image: \"odoo:17.0\", "+said+", environment: {HOST: db}, volumes: [\"./files:/var/lib/odoo\"]}"+dbService, nil)
		_, d := inItsPlace(t, f, "odoo", "")
		if strings.Contains(string(d.Override), "entrypoint") || !strings.Contains(problemCodes(Proposal{Problems: d.Problems}), "command") {
			t.Errorf("%s: %v\n%s", said, d.Problems, d.Override)
		}
	}
}
