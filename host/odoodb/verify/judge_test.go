package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// TestOneJudgement: verify and restore say the same about an archive, in the
// same words.
func TestOneJudgement(t *testing.T) {
	s := odoodbtest.NewServer(t)
	oldStyle := func(name string, b []byte) []byte {
		if name != "dump.sql" {
			return b
		}
		// pg_dump before 9.6.8 and 10.3 sets the path and names no schema.
		text := strings.ReplaceAll(string(b), "SELECT pg_catalog.set_config('search_path', '', false);", "SET search_path = public, pg_catalog;")
		return []byte(strings.ReplaceAll(text, "COPY public.ir_", "COPY ir_"))
	}
	for name, tc := range map[string]struct {
		change func(string, []byte) []byte
		want   string
	}{
		"whole":        {func(_ string, b []byte) []byte { return b }, ""},
		"old style":    {oldStyle, ""},
		"no base":      {func(_ string, b []byte) []byte { return bytes.ReplaceAll(b, []byte("\tbase\t"), []byte("\tbase_\t")) }, "the module base is not installed"},
		"module":       {odoodbtest.ReplaceIn("manifest.json", `"web": "18.0.1.0"`, `"web": "18.0.9.9"`), "web is 18.0.1.0 instead of 18.0.9.9"},
		"manifest":     {odoodbtest.ReplaceIn("manifest.json", `"major_version": "18.0"`, `"major_version": "17.0"`), "17.0"},
		"file missing": {odoodbtest.Without("filestore/1c/"), "1 of the attachments' 9 files"},
		"trailer":      {odoodbtest.ReplaceIn("dump.sql", sqldump.Trailer, "--"), "cut off"},
		"no manifest":  {odoodbtest.Without("manifest.json"), ""},
		"no files":     {odoodbtest.Without("filestore/"), ""},
	} {
		file := odoodbtest.Rebuild(t, tc.change)
		_, verr := verify.File(ctx, file, verify.Options{OdooMajor: 18})
		_, rerr := restore.Run(ctx, s, restore.Options{File: file, Database: "judged", OdooMajor: 18})
		for who, err := range map[string]error{"verify": verr, "restore": rerr} {
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
	}
}

// TestBetweenReleases: a version of Odoo Online has the number of a release, and is none.
func TestBetweenReleases(t *testing.T) {
	file := odoodbtest.Rebuild(t, func(name string, b []byte) []byte {
		switch name {
		case "dump.sql":
			return bytes.ReplaceAll(b, []byte("\t18.0."), []byte("\tsaas~18.2."))
		case "manifest.json":
			return bytes.ReplaceAll(b, []byte(`": "18.0.`), []byte(`": "saas~18.2.`))
		}
		return b
	})
	for major, want := range map[int]string{18: "between 18.0 and 19.0, and Odoo 18.0 cannot work with it", 0: ""} {
		res, err := verify.File(t.Context(), file, verify.Options{OdooMajor: major})
		if err != nil || res.OdooVersion != "18.0" && res.OdooVersion != "saas~18.2" {
			t.Fatalf("%v, %+v", err, res)
		}
		if got := strings.Join(res.Warnings, "\n"); strings.Contains(got, "Odoo Online") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("major %d: %q", major, got)
		}
	}
}
