package foreign

import (
	"strings"
	"testing"
)

// What the file says of data in a place that this machine, or an image that is not
// here, gives no answer for is asked for, and is no reason for a new cluster.
func TestUnknownPlaces(t *testing.T) {
	for name, c := range map[string]struct{ db, code, message, way string }{
		"another image": {"image: \"timescale/timescaledb-ha:pg16\"\n    volumes: [\"ts:/home/postgres/pgdata/data\"]", "image_unknown",
			"mounts ts at /home/postgres/pgdata/data", "docker pull timescale/timescaledb-ha:pg16        the image says where"},
		"a built one": {"build: .\n    ports: [\"5432\"]\n    volumes: [\"ts:/srv/pg\"]", "image_unknown", "the image shop-db is not on this machine", " build db        the image says where"},
		"the official one": {"image: \"docker.io/library/postgres:16\"\n    volumes: [\"ts:/backup\"]", "anonymous_volume",
			"the data is in an anonymous volume", "docker inspect"},
		"a path of Windows": {`image: "postgres:16"` + "\n    volumes: ['C:\\Users\\me\\pg:/var/lib/postgresql/data', \"ts:/x\"]", "windows_path",
			`mounts C:\Users\me\pg at /var/lib/postgresql/data`, "in WSL: /mnt/c/Users/me/pg"},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: [\"./files:/var/lib/odoo\"]}\n"+
				"  db:\n    "+c.db+"\n    environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}\nvolumes: {ts: {}}\n", map[string]string{"Dockerfile": "FROM acme/pg:16\n"})
			var codes []string
			for _, x := range f.Propose(Place{Dir: f.Dir, Copying: true}).Lost() {
				codes = append(codes, x.Code)
				if x.Code == c.code && (!strings.Contains(x.Message, c.message) || !strings.Contains(x.Way, c.way)) {
					t.Errorf("%s\n%s", x.Message, x.Way)
				}
			}
			if strings.Join(codes, " ") != c.code {
				t.Errorf("%v, want %s", codes, c.code)
			}
			// A person who says where they are is believed.
			if c.code == "image_unknown" && f.Propose(Place{Dir: f.Dir, Copying: true, Data: "./new"}).Blocking() {
				t.Error("POSTGRES_DATA_DIR does not count")
			}
		})
	}
}

// Odoo's data in a path of Windows are no directory of this machine either.
func TestOdooDataOfWindows(t *testing.T) {
	f := readText(t, "services:\n  odoo: {image: \"odoo:17.0\", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ['D:\\odoo:/var/lib/odoo']}"+dbService, nil)
	if lost := f.Propose(Place{Dir: f.Dir, Copying: true}).Lost(); len(lost) != 1 || !strings.Contains(lost[0].Way, "/mnt/d/odoo") {
		t.Errorf("%+v", lost)
	}
}
