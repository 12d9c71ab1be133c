package settings

import (
	"os"
	"regexp"
	"strings"
)

// serviceLink is what Kubernetes, and Docker's old --link, put into variables
// named after a service: a Service odpm-db gives every pod of its namespace
// ODPM_DB_PORT=tcp://10.0.0.1:5432.
var serviceLink = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// hideServiceLinks takes such values away while the settings are read. restore
// puts them back: the environment is the program's, which comes next.
func hideServiceLinks() (names []string, restore func()) {
	values := map[string]string{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "ODPM_") && serviceLink.MatchString(value) {
			names = append(names, name)
			values[name] = value
			os.Unsetenv(name)
		}
	}
	return names, func() {
		for name, value := range values {
			os.Setenv(name, value)
		}
	}
}

// warnServiceLinks tells of those that would have been settings.
func (s *Settings) warnServiceLinks(names []string) {
	for _, name := range names {
		if strings.Contains(Usage, name) || strings.HasPrefix(name, "ODPM_DB_") && strings.Contains(Usage, strings.TrimSuffix(name, "_FILE")) {
			s.Warnings = append(s.Warnings, name+" is a service link of Kubernetes (of a Service of that name), not a setting, so it is ignored; enableServiceLinks: false in the pod prevents such variables")
		}
	}
}
