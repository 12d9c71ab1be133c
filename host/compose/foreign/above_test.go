package foreign

import (
	"strings"
	"testing"
)

// A path that the file begins with ".." stays that, so that the tree can be moved.
func TestPathsAbove(t *testing.T) {
	d, _ := differenceOf(t, `secrets: {key: {file: ../key}}
services:
  cache: {image: redis, volumes: ["../cache:/data", {type: bind, source: ../../conf, target: /conf, read_only: true}]}
  odoo:
    image: odoo:17.0
    environment: {HOST: db, USER: a, PASSWORD: b}
    env_file: ["../common.env", {path: ../later.env, required: false}]
    volumes: ["./files:/var/lib/odoo", "../oca:/mnt/oca:ro", "/srv/abs:/mnt/abs"]
    secrets: [key]`+dbService, map[string]string{"../common.env": "MAIL=x\n"})
	for _, want := range []string{"\"../common.env\"", "path: ../later.env", `"../oca:/mnt/oca:ro"`, `"/srv/abs:/mnt/abs"`, `"../cache:/data"`, "source: ../../conf", "file: ../key"} {
		if !strings.Contains(string(d.Override), want) {
			t.Errorf("no %s in\n%s", want, d.Override)
		}
	}
}

// Nothing between braces is null, as it is on lines of their own. It came out as an
// empty text, which docker compose refuses.
func TestNothingBetweenBraces(t *testing.T) {
	d, _ := differenceOf(t, `networks: {back: , front: }
services:
  cache: {image: redis, networks: {back: , front: }, environment: {A: , B: x}}
  odoo:
    image: odoo:17.0
    environment: {HOST: db, USER: a, PASSWORD: b}
    networks: {default: , back: , front: {aliases: [shop]}}`+dbService, nil)
	if text := string(d.Override); strings.Contains(text, "''") || !strings.Contains(text, "networks: {default: null, back: null, front: {aliases: [shop]}}") {
		t.Errorf("%s", text)
	}
}
