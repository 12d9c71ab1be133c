package project

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// OdooStart stands for how ODOO_COMMAND is started. It is kept beside the pid of
// the Odoo that runs, and is a hash because a command may hold a password.
func (p *Project) OdooStart() string {
	how, err := json.Marshal([]any{p.OdooCommand, p.OdooConfPath, p.OdooDataDir})
	if err != nil {
		return "-" // strings are always JSON
	}
	sum := sha256.Sum256(how)
	return hex.EncodeToString(sum[:8])
}
