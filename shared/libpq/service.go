package libpq

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/odpm/odpm/shared/homedir"
	"github.com/odpm/odpm/shared/regular"
)

// service is a section of a service file, read as libpq reads it
// (parseServiceFile in fe-connect.c). pgx reads it otherwise: it trims around
// the "=", takes the last of two equal keys or sections, passes a key that it
// does not know to the server, and knows no pg_service.conf for all users.
type service struct {
	path string
	set  map[string]string
}

// sysconfDir is where Debian's libpq looks for pg_service.conf.
const sysconfDir = "/etc/postgresql-common"

// findService gives the section that PGSERVICE names, nil without one.
func findService() (*service, error) {
	name, set := os.LookupEnv("PGSERVICE")
	if !set {
		return nil, nil
	}
	path, named := os.LookupEnv("PGSERVICEFILE")
	if !named {
		if home := homedir.Dir(); home != "" {
			path = filepath.Join(home, ".pg_service.conf")
		}
	}
	system := os.Getenv("PGSYSCONFDIR")
	if system == "" {
		system = sysconfDir
	}
	for i, path := range []string{path, filepath.Join(system, "pg_service.conf")} {
		text, err := regular.Read(path, 1<<20)
		if errors.Is(err, fs.ErrNotExist) && (i > 0 || !named) {
			continue
		}
		if err != nil {
			return nil, wrong("the service file cannot be read: check PGSERVICEFILE")
		}
		found, err := readService(name, string(text))
		if found != nil || err != nil {
			return &service{path, found}, err
		}
	}
	return nil, wrong("no service file has the connection service: check PGSERVICE and PGSERVICEFILE")
}

// readService gives nil where there is no such section. What a line says is
// not repeated: it may be the password's.
func readService(name, text string) (map[string]string, error) {
	var set map[string]string
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\n\v\f\r")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			if set != nil {
				return set, nil
			}
			if strings.HasPrefix(line[1:], name+"]") {
				set = map[string]string{}
			}
		case set != nil:
			key, value, ok := strings.Cut(line, "=")
			if !ok || key == "service" || key == "servicefile" || !libpqKeys[key] {
				return nil, wrong("libpq does not accept a line of the connection service, so Odoo would not connect; " +
					"write one parameter of libpq per line, key=value without spaces around the \"=\": check the file of PGSERVICE")
			}
			if _, twice := set[key]; !twice {
				set[key] = value
			}
		}
	}
	return set, nil
}

// libpqKeys are libpq's parameters, up to PostgreSQL 18.
var libpqKeys = func() map[string]bool {
	known := map[string]bool{}
	for _, k := range strings.Fields(`user password passfile channel_binding connect_timeout dbname host hostaddr port
		client_encoding options application_name fallback_application_name keepalives keepalives_idle
		keepalives_interval keepalives_count tcp_user_timeout sslmode sslnegotiation sslcompression sslcert sslkey
		sslcertmode sslpassword sslrootcert sslcrl sslcrldir sslsni requirepeer require_auth min_protocol_version
		max_protocol_version ssl_min_protocol_version ssl_max_protocol_version gssencmode krbsrvname gsslib
		gssdelegation replication target_session_attrs load_balance_hosts scram_client_key scram_server_key
		sslkeylogfile oauth_issuer oauth_client_id oauth_client_secret oauth_scope`) {
		known[k] = true
	}
	return known
}()

// harmless are parameters that change neither the server nor whether a login succeeds.
var harmless = regexp.MustCompile(`^(application_name|fallback_application_name|client_encoding|connect_timeout|tcp_user_timeout|keepalives.*)$`)

// LeadsElsewhere says whether key is a parameter of libpq that may change which server
// is connected to, or whether a login succeeds there.
func LeadsElsewhere(key string) bool { return libpqKeys[key] && !harmless.MatchString(key) }

// sentKeys are those that go to the server.
var sentKeys = map[string]bool{"client_encoding": true, "options": true, "application_name": true, "replication": true}
