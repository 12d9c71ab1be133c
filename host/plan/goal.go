package plan

// Goal says how far a command goes. It selects what is done and what is
// refused: a backup is not refused because Odoo's port is taken.
type Goal int

const (
	// Files: the project's files are written, nothing is started.
	Files Goal = iota
	// Postgres: PostgreSQL runs on the project's data.
	Postgres
	// Role: Odoo's role can log in; work on databases begins here.
	Role
	// Odoo: Odoo runs, and its login is proven.
	Odoo
)

func (g Goal) String() string { return [...]string{"files", "postgres", "role", "odoo"}[g] }

// Want is what a command asks for.
type Want struct {
	Goal Goal
	// EnsureRole: the role is made whatever was recorded, and no baseline is
	// written (odpm database ensure-role).
	EnsureRole bool
	// ReplaceCompose takes the place of a compose file that odpm did not write.
	ReplaceCompose bool
	// Explain asks for what is only shown, the SQL.
	Explain bool
}
