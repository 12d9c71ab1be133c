package connection

import (
	"strconv"
	"strings"

	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/pglogin"
)

// Replica is the second connection of Odoo 18 and later, for reading: host and
// port of its own, and everything else as the first one's.
type Replica struct{ Host, Port Value }

// replica finds db_replica_host and db_replica_port. Where only the host is set
// the port is libpq's, not db_port.
func (r *resolver) replica() *Replica {
	if !r.odoo || r.OdooMajor != 0 && r.OdooMajor < 18 {
		return nil
	}
	host, set := r.replicaValue(dbReplicaHost)
	if !set {
		return nil
	}
	port, _ := r.replicaValue(dbReplicaPort)
	return &Replica{host, port}
}

// replicaValue is value for settings that libpq knows nothing of. An empty
// host in odoo.conf is the default socket for Odoo 18, so it counts there.
func (r *resolver) replicaValue(name string) (Value, bool) {
	if v, ok := r.cli[name]; ok && v != "" {
		return Value{v, r.commandLine()}, true
	}
	if r.OdooMajor >= 19 {
		if v, _ := r.Lookup(pgVariable[name]); v != "" {
			return Value{v, pgVariable[name]}, true
		}
	}
	if r.conf == nil {
		return Value{}, false
	}
	v, stands := r.conf.Get(name)
	if !stands || v != "" && odooconf.Unset(v, r.OdooMajor) || v == "" && (name != dbReplicaHost || r.OdooMajor >= 19) {
		return Value{}, false
	}
	return Value{v, r.t.ConfPath}, true
}

// ReplicaConfig is the replica's connection for pglogin, and why it cannot be
// one.
func (t *Target) ReplicaConfig() (pglogin.Config, error) {
	cfg := t.Config()
	cfg.Host, cfg.Port, cfg.Ports = t.Replica.Host.Text, 0, ""
	if !libpq.ValidHost(cfg.Host) {
		return cfg, &ConfigError{t.Replica.Host.Source, "db_replica_host is not a host name, an address or a socket directory (its value is not shown, it may contain a password)",
			"set db_replica_host to the name of the standby"}
	}
	if p := strings.TrimSpace(t.Replica.Port.Text); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return cfg, &ConfigError{t.Replica.Port.Source, "db_replica_port is not a number between 1 and 65535 (" + digits(p) + ")", "set db_replica_port to the standby's port, usually 5432"}
		}
		cfg.Port = n
	}
	return cfg, nil
}
