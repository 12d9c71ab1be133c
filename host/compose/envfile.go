package compose

import (
	"fmt"
	"strings"
)

// PasswordEnv is the content of Spec.OdooEnvFile: the password under the names
// that the official entrypoint (PASSWORD) and libpq (PGPASSWORD) read, quoted
// so that compose gives back exactly this password. The file must be 0600.
func PasswordEnv(password string) ([]byte, error) {
	if strings.ContainsAny(password, "\n\r\x00") {
		return nil, fmt.Errorf("the database password contains a line break or a zero byte, which an environment file cannot hold")
	}
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(password) + `"`
	return []byte("# written by odpm; the database password for Odoo\nPASSWORD=" + quoted + "\nPGPASSWORD=" + quoted + "\n"), nil
}
