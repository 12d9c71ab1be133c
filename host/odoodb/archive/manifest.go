package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/odpm/odpm/shared/jsonpos"
)

// parseManifest reads Odoo's manifest.json, also as other tools and other
// versions of them write it: with a byte order mark, with numbers in the place of
// strings, with modules as a list.
func parseManifest(b []byte) (*Manifest, error) {
	b = bytes.TrimPrefix(b, []byte(byteOrderMark))
	said := bytes.TrimSpace(b)
	if len(said) == 0 {
		return nil, errors.New("it is empty")
	}
	var raw map[string]json.RawMessage
	if err := jsonpos.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("it says %s", said[:min(len(said), 20)])
	}
	text := func(key string) string {
		var v any
		if json.Unmarshal(raw[key], &v) != nil {
			return ""
		}
		switch v := v.(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return ""
	}
	m := &Manifest{OdooDump: text("odoo_dump"), DBName: text("db_name"), Version: text("version"), MajorVersion: text("major_version"), PGVersion: text("pg_version")}
	_ = json.Unmarshal(raw["version_info"], &m.VersionInfo)
	// A list of names has no versions to compare.
	if json.Unmarshal(raw["modules"], &m.Modules) != nil {
		m.Modules = nil
	}
	if m.DBName == "" && m.MajorVersion == "" && m.Modules == nil {
		return nil, errors.New("it has none of Odoo's keys")
	}
	return m, nil
}
