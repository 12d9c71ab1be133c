package snapshot

import _ "embed"

// Schema is the JSON Schema of last_run.json (draft 2020-12). Members it does
// not name are allowed: upstream and later versions may add some.
//
//go:embed last_run.schema.json
var Schema []byte
