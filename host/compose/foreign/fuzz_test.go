package foreign_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/compose/foreign"
)

// FuzzRead: a compose file of somebody's is understood or refused.
func FuzzRead(f *testing.F) {
	f.Add("services:\n  db:\n    image: postgres:15\n    environment: {POSTGRES_PASSWORD: x}\n    volumes: [pg:/var/lib/postgresql/data]\n  web:\n    image: odoo:18\n    depends_on: [db]\nvolumes: {pg: {}}\n")
	f.Add("version: '3'\nservices:\n  a: &a\n    image: postgres\n  b:\n    <<: *a\n    ports: ['5432']\n")
	f.Add("services:\n  db:\n    image: ${IMAGE:?none}\n    command: [postgres, -c, 'port=5433']\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "docker-compose.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		theirs, err := foreign.Read(t.Context(), path, map[string]string{})
		if err != nil {
			return
		}
		theirs.Propose(foreign.Place{Dir: dir})
	})
}
