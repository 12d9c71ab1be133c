package state

// Files under .odpm/state.
const (
	// EngineFile remembers which engine a project was started with.
	EngineFile = "engine"
	// BootstrapSecret is the generated password of a new cluster's superuser.
	BootstrapSecret = "postgres_password"
	// OdooEnvFile has the database password where odoo.conf has none.
	OdooEnvFile = "odoo.env"
	// UpFile is what the last `docker compose up` was given and what it made.
	UpFile = "up.json"
	// ProcessFile names the Odoo that ODOO_COMMAND started.
	ProcessFile = "odoo.pid"
	// AcceptedFile holds what a person accepted until the next proven login.
	AcceptedFile = "accepted.json"
	// SharedFile remembers which engine has been seen to share this project's
	// directories.
	SharedFile = "shared"
	// ImageFile remembers what reading the Odoo image's files has shown.
	ImageFile = "image.json"
	// CheckerFile remembers the digest of odpm-checker.
	CheckerFile = "checker.digest"
)
