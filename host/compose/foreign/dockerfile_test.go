package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestDockerfile(t *testing.T) {
	arg := func(v string) types.MappingWithEquals { return types.MappingWithEquals{"V": &v} }
	for name, c := range map[string]struct {
		text          string
		build         types.BuildConfig
		base, version string
	}{
		"official":                      {"FROM odoo:17.0\nUSER root\n", types.BuildConfig{}, "odoo:17.0", "17.0"},
		"a major":                       {"from odoo:16 as base\n", types.BuildConfig{}, "odoo:16", "16.0"},
		"default of an argument":        {"ARG V=18.0\nFROM odoo:$V\n", types.BuildConfig{}, "odoo:18.0", "18.0"},
		"argument":                      {"ARG V=18.0\nFROM odoo:${V}\n", types.BuildConfig{Args: arg("15.0")}, "odoo:15.0", "15.0"},
		"argument without a default":    {"ARG V\nFROM odoo:${V:-14.0}\n", types.BuildConfig{}, "odoo:14.0", "14.0"},
		"an unknown argument":           {"ARG V\nFROM odoo:${V:?is missing}\n", types.BuildConfig{}, "", ""},
		"stages":                        {"FROM odoo:16.0 AS base\nFROM node:20 AS assets\nFROM base\n", types.BuildConfig{}, "odoo:16.0", "16.0"},
		"target":                        {"FROM odoo:16.0 AS prod\nFROM prod AS Dev\nFROM python:3.12\n", types.BuildConfig{Target: "dev"}, "odoo:16.0", "16.0"},
		"another product's version":     {"FROM python:3.10-slim\n", types.BuildConfig{}, "python:3.10-slim", ""},
		"a variable of the image":       {"FROM debian:bookworm\nARG V=17.0\nENV ODOO_VERSION=${V} LANG=C\n", types.BuildConfig{}, "debian:bookworm", "17.0"},
		"an old ENV":                    {"FROM ubuntu:22.04\nENV ODOO_VERSION 13.0\n", types.BuildConfig{}, "ubuntu:22.04", "13.0"},
		"registry and project":          {"FROM ghcr.io/oca/doodba:16.0-onbuild\n", types.BuildConfig{}, "ghcr.io/oca/doodba:16.0-onbuild", "16.0"},
		"a saas version":                {"FROM example/odoo:saas-17.4\n", types.BuildConfig{}, "example/odoo:saas-17.4", "saas-17.4"},
		"an own version":                {"FROM example/odoo:2.1.0\n", types.BuildConfig{}, "example/odoo:2.1.0", ""},
		"a date":                        {"FROM example/odoo:20240918\n", types.BuildConfig{}, "example/odoo:20240918", ""},
		"a here-document":               {"FROM odoo:17.0\nRUN <<-'SQL' psql\n  SELECT a\n  FROM b:1.0\n  SQL\n", types.BuildConfig{}, "odoo:17.0", "17.0"},
		"a here-string":                 {"FROM python:3.12 AS a\nRUN cat <<<word && echo $((1<<EOF))\nFROM odoo:17.0\n", types.BuildConfig{}, "odoo:17.0", "17.0"},
		"continued, with a comment":     {"FROM \\\n# FROM odoo:12.0\n  odoo:17.0\n", types.BuildConfig{}, "odoo:17.0", "17.0"},
		"a context of the compose file": {"FROM base\n", types.BuildConfig{AdditionalContexts: types.Mapping{"base": "docker-image://odoo:19.0"}}, "odoo:19.0", "19.0"},
		"nothing":                       {"", types.BuildConfig{}, "", ""},
	} {
		b := parseDockerfile(c.text, &c.build)
		if b.Base != c.base || b.odooVersion() != c.version {
			t.Errorf("%s: %q %q, want %q %q", name, b.Base, b.odooVersion(), c.base, c.version)
		}
	}
}

// What the file system has at a Dockerfile's place is somebody else's.
func TestReadBuild(t *testing.T) {
	dir := t.TempDir()
	if b := readBuild(&types.BuildConfig{Context: dir}); b.Base != "" {
		t.Errorf("%+v", b)
	}
	if b := readBuild(&types.BuildConfig{Context: "https://example.com/x.git"}); b.Base != "" {
		t.Errorf("%+v", b)
	}
	if b := readBuild(&types.BuildConfig{Context: dir, DockerfileInline: "FROM odoo:17.0"}); b.Base != "odoo:17.0" {
		t.Errorf("%+v", b)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("FROM odoo:16.0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b := readBuild(&types.BuildConfig{Context: dir, Dockerfile: "other"}); b.Base != "odoo:16.0" {
		t.Errorf("%+v", b)
	}
}

// An image may have the login in its environment. It was not seen, and odpm gave the
// role another password than the one that Odoo has.
func TestDockerfileLogin(t *testing.T) {
	for name, tt := range map[string]struct{ build, service, want string }{
		"as built":           {"build: .", "", "database erp pw 5433"},
		"another stage":      {"build: {context: ., target: base}", "", "database odoo  0"},
		"the file's own win": {"build: .", "environment: {HOST: other, PASSWORD: own}", "other erp own 5433"},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, `
services:
  odoo:
    `+tt.build+`
    `+tt.service+`
    volumes: ["./data:/var/lib/odoo"]
  db: {image: "postgres:15", environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, map[string]string{"Dockerfile": "FROM odoo:17.0 AS base\nENV HOST=database \\\n    USER=odoo\nFROM alpine AS tools\nENV HOST=nowhere PASSWORD=no\nFROM base\nARG LOGIN=erp\nENV USER=$LOGIN\nENV PASSWORD=\"pw\" PORT=5433\n"})
			if o := f.Odoo; o == nil || fmt.Sprintf("%s %s %s %d", o.Host, o.Role, o.Password, o.DBPort) != tt.want {
				t.Errorf("%+v", f.Odoo)
			}
		})
	}
}
