// Package project reads what a person wrote — .env over ~/.odpm/.env,
// odpm.json, user_settings.json, odoo.conf — into a Project: a value, with no
// input or output afterwards.
package project

import (
	"strings"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/shared/odooconf"
)

// Scenario is ODPM_SCENARIO.
type Scenario string

const (
	Developer Scenario = "developer"
	Server    Scenario = "server"
	CI        Scenario = "ci"
)

// Runtime is ODPM_RUNTIME.
type Runtime string

const (
	Auto   Runtime = "auto"
	Docker Runtime = "docker"
	Native Runtime = "native"
)

// Project is everything a run needs to know about a project directory.
type Project struct {
	// Dir is the project directory, absolute, symbolic links resolved.
	Dir string

	// Name is what compose gets with -p: the prefix, or compose's own default
	// (the directory's name normalised, COMPOSE_PROJECT_NAME, "name:").
	Name string
	// PlainName is what the compose project is called without a prefix.
	PlainName string
	// Prefix is ODPM_COMPOSE_PREFIX without its dash, "" without one.
	Prefix string
	// ServiceName is PostgreSQL's compose service, OdooServiceName Odoo's;
	// VolumeName is the key of the volume in compose.
	ServiceName, OdooServiceName, VolumeName string

	// PostgresVersion is the image tag, "15" or "15.6" or "15-alpine";
	// PostgresMajor its number. PostgresImage is "postgres:15" unless set.
	PostgresVersion string
	PostgresMajor   int
	PostgresImage   string

	// OdooVersion is "18.0"; OdooMajor 18; 0 when unknown. OdooImage is
	// ODOO_IMAGE or "odoo:18.0".
	OdooVersion  string
	OdooMajor    int
	OdooImage    string
	PlatformName string

	Scenario Scenario
	Runtime  Runtime

	PostgresBind                       string
	PostgresPort, OdooPort, GeventPort int

	// DataDir is what is mounted for PostgreSQL (POSTGRES_DATA_DIR or the
	// default of the major's layout), absolute. A value without a slash that
	// names a compose volume is in DataVolume instead.
	DataDir    string
	DataVolume string
	// DataSubdir is where the cluster is in DataVolume, relative, "" for its
	// root (or <major>/docker from 18 on).
	DataSubdir string
	// OdooDataDir is ODOO_DATA_DIR or data/odoo, absolute: Odoo's data_dir on
	// the host.
	OdooDataDir string
	// FilestoreDir is ODOO_FILESTORE_DIR: what replaces filestore in
	// OdooDataDir, "" where that does. FilestoreDirs are the directories of
	// single databases, ODOO_FILESTORE_DIRS. Both are absolute.
	FilestoreDir  string
	FilestoreDirs map[string]string
	// AddonsDir is addons/, "" where it does not exist.
	AddonsDir string
	BackupDir string

	// KeepCompose is ODPM_COMPOSE=keep; External is ODPM_POSTGRES=external.
	KeepCompose bool
	// SELinux is "z" where mounts get the label that all containers share, "" where
	// Docker leaves labels alone.
	SELinux  string
	External bool

	// OdooCommand is ODOO_COMMAND, split: what native starts after the checker.
	OdooCommand []string

	// AppRole and AppPassword are what Odoo will use, with the place each
	// came from ("odoo.conf db_user", ".env POSTGRES_ODOO_USER", "default").
	AppRole, AppRoleSource         string
	AppPassword, AppPasswordSource string

	// OdooConf is the parsed file, nil when missing; OdooConfPath where it is
	// or would be.
	OdooConf     *odooconf.File
	OdooConfPath string

	Settings UserSettings

	// ConfOptions is odpm.json v2's odoo_conf.options: what odoo.conf has to say.
	ConfOptions map[string]string

	// Network is ODPM_COMPOSE_NETWORK, what the stack's network is called, "" for
	// compose's own name; NetworkExternal: somebody else makes it.
	Network         string
	NetworkExternal bool

	// Services is odpm.json v2's "services": compose services a person adds.
	Services map[string]any

	// Warnings are things that were read but deserve a word, e.g. a
	// POSTGRES_SERVICE_NAME that a prefix overrides.
	Warnings []string

	// Env is the merged environment (process over .env over ~/.odpm/.env), for
	// compose's interpolation and for engine commands.
	Env map[string]string
}

// PGData is where the cluster is in PostgreSQL's container: below the mount
// where it has a directory of its own in a volume.
func (p *Project) PGData() string {
	if p.DataSubdir != "" {
		return datadir.MountTarget(p.PostgresMajor) + "/" + p.DataSubdir
	}
	return datadir.PGData(p.PostgresMajor)
}

// Volume is DataVolume with the directory in it, as POSTGRES_DATA_DIR says it
// behind "volume:".
func (p *Project) Volume() string {
	if p.DataSubdir != "" {
		return p.DataVolume + "/" + p.DataSubdir
	}
	return p.DataVolume
}

// DataPath names the data for records: a directory, "volume:NAME", "external", or
// "anonymous:SERVICE" where a person's compose file mounts nothing.
func (p *Project) DataPath() string {
	switch {
	case p.External:
		return "external"
	case p.DataVolume != "":
		return "volume:" + p.Volume()
	case p.DataDir == "":
		return "anonymous:" + p.ServiceName
	}
	return p.DataDir
}

// Setting is a key of .env or of the environment, also where it is written with
// ODPM_ before it, which wins.
func (p *Project) Setting(key string) string {
	if v := strings.TrimSpace(p.Env["ODPM_"+key]); v != "" {
		return v
	}
	return strings.TrimSpace(p.Env[key])
}

// UserSettings is user_settings.json.
type UserSettings struct {
	InitModules, UpdateModules []string
	AdminLogin, AdminPassword  string
	// ManagerPassword is db_manager_password: Odoo's master password.
	ManagerPassword string
	// ManagerPasswordUnset is why it is not known, nil otherwise.
	ManagerPasswordUnset error
	// AdminPasswordFile holds the password instead; it is read when it is
	// needed, so that other work does not depend on it.
	AdminPasswordFile string
	// Language and Demo steer the initialisation of a new database.
	Language string
	Demo     bool
	// AdminPasswordUnset is set where the password is "${VAR}" and VAR is not:
	// an error for who needs the password, and for nobody else.
	AdminPasswordUnset error
}
