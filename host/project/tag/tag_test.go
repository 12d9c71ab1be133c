package tag_test

import (
	"testing"

	"github.com/odpm/odpm/host/project/tag"
)

func TestMajor(t *testing.T) {
	for in, want := range map[string]int{"15": 15, "15.6": 15, "9.6": 9, "16-alpine": 16, "16.1-bookworm": 16,
		"latest": 0, "": 0, "17beta1": 17, "2024.1": 0, "15x": 0} {
		if got := tag.Major(in); got != want {
			t.Errorf("Major(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestOfImage(t *testing.T) {
	for in, want := range map[string]int{
		"postgres:15": 15, "docker.io/library/postgres:15.6-alpine": 15, "host:5000/postgres": 0, "postgres": 0, "postgres:latest": 0,
		"postgis/postgis:16-3.4": 16, "pgvector/pgvector:pg17": 17, "timescale/timescaledb:2.14.2-pg16": 16, "timescale/timescaledb:15.1": 0,
		"citusdata/citus:12.1": 0, "postgres:14@sha256:abc": 14, "acme/pg:15": 0,
	} {
		if got := tag.OfImage(in); got != want {
			t.Errorf("OfImage(%q) = %d, want %d", in, got, want)
		}
	}
}
