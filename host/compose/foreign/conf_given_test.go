package foreign

import (
	"slices"
	"strings"
	"testing"
)

const dbService = "\n  db: {image: \"postgres:15\", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: [\"./pg:/var/lib/postgresql/data\"]}\n"

// An odoo.conf that is a config or a secret is Odoo's as one that is mounted: it
// becomes the project's, and nothing else is mounted in its place.
func TestConfGiven(t *testing.T) {
	for name, c := range map[string]struct{ service, top string }{
		"content":         {"configs: [{source: oc, target: /etc/odoo/odoo.conf}]", "configs: {oc: {content: \"[options]\\ndb_password = b\\nworkers = 4\\ndata_dir = /srv/files\\n\"}}"},
		"file":            {"configs: [{source: oc, target: /etc/odoo/odoo.conf}]", "configs: {oc: {file: ./deploy/shop.conf}}"},
		"secret":          {"environment: {ODOO_RC: /run/secrets/oc}\n    secrets: [oc]", "secrets: {oc: {file: ./deploy/shop.conf}}"},
		"the environment": {"environment: {ODOO_RC: /run/secrets/oc}\n    secrets: [oc]", "secrets: {oc: {environment: SHOP_CONF}}"},
	} {
		t.Run(name, func(t *testing.T) {
			d, f := differenceOf(t, "services:\n  odoo:\n    image: odoo:17.0\n    volumes: [\"./files:/srv/files\"]\n    "+c.service+dbService+c.top+"\n",
				map[string]string{"deploy/shop.conf": "[options]\ndb_password = b\nworkers = 4\ndata_dir = /srv/files\n",
					".env": "SHOP_CONF='[options]\ndb_password = b\nworkers = 4\ndata_dir = /srv/files'\n"})
			p := f.Propose(Place{Dir: f.Dir, Copying: true})
			if !strings.Contains(string(p.Conf), "workers = 4\n") {
				t.Errorf("odoo.conf is %q", p.Conf)
			}
			if f.Odoo.DataTarget != "/srv/files" {
				t.Errorf("data_dir is %s", f.Odoo.DataTarget)
			}
			if strings.Contains(string(d.Override), "oc") {
				t.Errorf("mounted beside the project's:\n%s", d.Override)
			}
			if !slices.ContainsFunc(d.Otherwise, func(s string) bool { return strings.Contains(s, "oc: odoo.conf in the project's directory") }) {
				t.Errorf("not a word: %v", d.Otherwise)
			}
		})
	}
}

// Odoo's variables lead to a pooler, and odoo.conf, which counts more, says nothing:
// from then on it says what they said.
func TestPoolerBesideConf(t *testing.T) {
	for name, c := range map[string]struct{ at, conf, want, way string }{
		"elsewhere":     {"etc/odoo.conf", "[options]\nworkers = 2\n", "[options]\nworkers = 2\ndb_host = pool\ndb_port = 6432\n", ""},
		"it says":       {"etc/odoo.conf", "[options]\ndb_host = db\n", "[options]\ndb_host = db\n", ""},
		"its own":       {"odoo.conf", "[options]\nworkers = 2\n", "", `printf '\ndb_host = pool\ndb_port = 6432\n' >> `},
		"more sections": {"odoo.conf", "[options]\nworkers = 2\n[queue_job]\nchannels = root:2\n", "", `sed -i '/^\[options\]/a db_host = pool\ndb_port = 6432' `},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, "services:\n  pool: {image: pgbouncer}\n  odoo:\n    image: odoo:17.0\n    environment: {HOST: pool, PORT: \"6432\", USER: a, PASSWORD: b}\n"+
				"    volumes: [\"./files:/var/lib/odoo\", \"./"+c.at+":/etc/odoo/odoo.conf\"]"+dbService, map[string]string{c.at: c.conf})
			p := f.Propose(Place{Dir: f.Dir, Copying: true})
			if string(p.Conf) != c.want {
				t.Errorf("%q, want %q", p.Conf, c.want)
			}
			way := ""
			for _, x := range p.Lost() {
				way += x.Way
			}
			if (way == "") != (c.way == "") || !strings.HasPrefix(way, c.way) {
				t.Errorf("%q, want %q", way, c.way)
			}
		})
	}
}

// A volume for /etc/odoo that was never made has nothing to read out.
func TestConfVolumeNeverMade(t *testing.T) {
	f := readText(t, "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: [\"./files:/var/lib/odoo\", \"conf:/etc/odoo\"]}"+dbService+"volumes: {conf: {}}\n", nil)
	for volumes, want := range map[bool]bool{true: true, false: false} {
		if got := f.Propose(Place{Dir: f.Dir, Copying: true, Volumes: map[string]bool{"shop_conf": volumes}}).Blocking(); got != want {
			t.Errorf("volume there %t: blocking %t", volumes, got)
		}
	}
}

// Odoo listens where odoo.conf says, and that is the port that is published.
func TestPortOfConf(t *testing.T) {
	f := readText(t, "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, ports: [\"127.0.0.1:8200:8080\", \"8201:8072\", \"5678:5678\"],"+
		" volumes: [\"./files:/var/lib/odoo\", \"./odoo.conf:/etc/odoo/odoo.conf\"]}"+dbService, map[string]string{"odoo.conf": "[options]\nhttp_port = 8080\n"})
	p, d := inItsPlace(t, f, "odoo", "")
	if p.OdooPort != 8200 || p.GeventPort != 8201 {
		t.Errorf("ODOO_PORT %d, GEVENT_PORT %d", p.OdooPort, p.GeventPort)
	}
	for _, x := range f.Problems {
		if x.Code == "odoo_port" {
			t.Error(x.Message)
		}
	}
	if text := string(d.Override); strings.Contains(text, "8080") || !strings.Contains(text, "5678:5678") {
		t.Errorf("%s", text)
	}
}
