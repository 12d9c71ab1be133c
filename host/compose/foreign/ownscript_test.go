package foreign

import (
	"slices"
	"strings"
	"testing"
)

// A script in the place of the image's own goes on as it did: as the user that may
// install packages, with the login that it hands to Odoo, and with everything in the
// directory that it reads.
func TestOwnEntrypointMounted(t *testing.T) {
	const start = "#!/bin/bash\nset -e\ncase \"$1\" in\n-- | odoo)\n  shift\n  exec odoo \"$@\" --db_password \"$PASSWORD\"\n  ;;\n*) exec \"$@\" ;;\nesac\n"
	files := func(script string) map[string]string {
		return map[string]string{"entry.sh": script, "etc/requirements.txt": "requests\n", "etc/odoo.conf": "[options]\ndata_dir = /etc/odoo\n"}
	}
	const text = `
services:
  odoo:
    image: odoo:18
    user: root
    command: --
    environment: [HOST=db, USER=a, PASSWORD=b]
    volumes: ["./entry.sh:/entrypoint.sh", "./etc:/etc/odoo"]` + dbService
	f := readText(t, text, files(strings.Replace(start, "case", "pip3 install -r /etc/odoo/requirements.txt\ncase", 1)))
	_, d := inItsPlace(t, f, "odoo", "")
	for _, want := range []string{"user: root\n", "PASSWORD: \"b\"\n", "./etc:/etc/odoo", "./entry.sh:/entrypoint.sh"} {
		if !strings.Contains(string(d.Override), want) {
			t.Errorf("no %q in\n%s", want, d.Override)
		}
	}
	// One that does what the image's own does needs nothing of that.
	f = readText(t, text, files(start))
	_, d = inItsPlace(t, f, "odoo", "")
	for _, not := range []string{"user:", "PASSWORD", ":/etc/odoo"} {
		if strings.Contains(string(d.Override), not) {
			t.Errorf("%q in\n%s", not, d.Override)
		}
	}
	if !slices.ContainsFunc(d.Otherwise, func(s string) bool { return strings.HasPrefix(s, "services.odoo.user: ") }) {
		t.Errorf("%q", d.Otherwise)
	}
}

// A shell's line that installs packages first does it as whom it did.
func TestShellLineKeepsItsUser(t *testing.T) {
	f := readText(t, `
services:
  odoo:
    image: odoo:18
    user: root
    command: bash -c "pip3 install requests && exec /entrypoint.sh odoo"
    volumes: ["./files:/var/lib/odoo"]`+dbService, nil)
	if _, d := inItsPlace(t, f, "odoo", ""); !strings.Contains(string(d.Override), "user: root\n") {
		t.Errorf("%s", d.Override)
	}
}

// What odoo.conf has below its data_dir is found where it was.
func TestPathsBelowDataDir(t *testing.T) {
	const conf = "[options]\ndata_dir = /etc/odoo\nlogfile = /etc/odoo/odoo-server.log\n"
	f := readText(t, `
services:
  odoo: {image: "odoo:18", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./etc:/etc/odoo"]}`+dbService,
		map[string]string{"etc/odoo.conf": conf, "odoo.conf": conf})
	if _, d := inItsPlace(t, f, "odoo", ""); !strings.Contains(string(d.Override), "./etc:/etc/odoo") {
		t.Errorf("%s", d.Override)
	}
}
