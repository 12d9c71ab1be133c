package snapshot_test

import (
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/snapshot"
)

// TestPlaces: whoever corrects a file by hand learns its line and column.
func TestPlaces(t *testing.T) {
	const good = "{\n  \"schema_version\": 1,\n  \"engine\": \"postgres\",\n  \"odpm_scenario\": \"developer\",\n  \"recorded_at\": \"2026-06-17T20:00:00+00:00\",\n" +
		"  \"cluster\": {\"app_role\": \"odoo\", \"data_dir_nonempty\": true},\n  \"compose\": {\n    \"service_name\": \"db\", \"data_path_abs\": \"/d\",\n    \"host_port\": 5432, \"image_tag\": \"15\"},\n  \"odoo_conf\": {}\n}\n"
	if _, err := snapshot.Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string][2]string{
		`"host_port": 5432`:         {`"host_port": "5432"`, `line 9, column 18: compose.host_port is "\"5432\"", expected a whole number`},
		`: 5432`:                    {`: 70000`, `line 9, column 18: compose.host_port is 70000, allowed: 1 to 65535`},
		`"engine": "postgres"`:      {`"engine": ["postgres"]`, `line 3, column 13: engine is `},
		`true`:                      {`"yes"`, `line 6, column 56: cluster.data_dir_nonempty is `},
		`"odoo_conf": {}`:           {`"odoo_conf": []`, `line 10, column 16: odoo_conf is not an object`},
		`, "image_tag": "15"`:       {``, `line 7, column 14: compose.image_tag is missing`},
		`"app_role": "odoo",`:       {`"app_role": "odoo", "app_role": "x",`, `line 6, column 47: cluster.app_role appears twice`},
		`"engine": "postgres",`:     {`"engine": "postgres"`, `line 4, column 3: not a JSON object: expected a comma or }, found '"'`},
		`"odoo_conf": {}` + "\n}\n": {`"odoo_conf": {`, `line 10, column 17: not a JSON object: the file ends here`},
		`{}` + "\n}\n":              {"{}\n}\n{}", `line 12, column 1: `},
		`"schema_version": 1,`:      {`"schema_version": 1, "engine": "x",`, `line 3, column 13: member "engine" appears twice`},
	} {
		text := strings.Replace(good, from, to[0], 1)
		if _, err := snapshot.Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), to[1]) {
			t.Errorf("%s: %v, want %s", to[0], err, to[1])
		}
	}
}

// TestPlacesOfProven: so does whoever gives --baseline a file that was edited.
func TestPlacesOfProven(t *testing.T) {
	const good = "{\"proven_version\": 1,\n \"proven_at\": \"2026-06-17T20:00:00+00:00\", \"app_role\": \"odoo\",\n \"pg_major\": 17, \"endpoint\": \"db:5432\", \"server\": \"primary\", \"pooler\": false, \"tls\": true}"
	if _, err := snapshot.DecodeProven(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string][2]string{
		`"pg_major": 17`:       {`"pg_major": 0`, "line 3, column 14: pg_major is 0"},
		`"primary"`:            {`"other"`, "line 3, column 51: server is neither"},
		`2026-06-17T`:          {`yesterday`, "line 2, column 15: proven_at is not a time"},
		`"odoo"`:               {`"od\u001boo"`, "line 2, column 56: app_role holds a control character"},
		`"proven_version": 1,`: {``, "line 1, column 1: proven_version is missing"},
		`"tls": true`:          {`"tls": 1`, "line 3, column 86: tls is a number"},
	} {
		text := strings.Replace(good, from, to[0], 1)
		if _, err := snapshot.DecodeProven(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), to[1]) {
			t.Errorf("%s: %v, want %s", to[0], err, to[1])
		}
	}
}
