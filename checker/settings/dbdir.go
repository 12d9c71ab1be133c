package settings

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/regular"
)

const envDBDir = "ODPM_DB_DIR"

// fromDir fills what is not set yet from a mounted Secret, one file for each key,
// as CloudNativePG, Crunchy's operator (user), the type kubernetes.io/basic-auth
// (username and password alone, as Zalando's operator), the Service Binding
// specification (database) and Crossplane (endpoint) lay it out.
func (s *Settings) fromDir(o *connection.Override) error {
	if s.DBDir == "" {
		return nil
	}
	found, last := false, ""
	read := func(names ...string) (string, error) {
		for _, name := range names {
			data, err := regular.Read(filepath.Join(s.DBDir, name), 64<<10)
			switch {
			case err == nil:
				found, last = true, name
				return strings.TrimRight(string(data), "\r\n"), nil
			case errors.Is(err, fs.ErrPermission):
				return "", &connection.ConfigError{Where: envDBDir, What: name + " cannot be read: " + reason(err),
					Next: "mount the Secret readable for uid " + strconv.Itoa(os.Getuid()) + ": defaultMode: 0440 with fsGroup, or 0444"}
			case !errors.Is(err, fs.ErrNotExist):
				return "", &connection.ConfigError{Where: envDBDir, What: name + " cannot be read: " + reason(err),
					Next: "mount a Secret there, which has a file for each key"}
			}
		}
		return "", nil
	}
	text, err := read("uri")
	if err != nil {
		return err
	}
	uri, uriErr := parseURI(text)
	portFrom := "uri"
	for _, v := range []struct {
		to    *string
		name  string
		names []string
		uri   *string
	}{
		{&o.Host, "host", []string{"host", "endpoint"}, &uri.host}, {&o.Port, "port", []string{"port"}, &uri.port},
		{&o.User, "user", []string{"username", "user"}, &uri.user}, {&o.Password, "password", []string{"password"}, &uri.password},
		{&o.DirName, "name", []string{"dbname", "database"}, &uri.name},
	} {
		text, err := read(v.names...)
		switch {
		case err != nil:
			return err
		case *v.to != "":
		case text != "":
			*v.to = text
			o.From[v.name] = envDBDir + "/" + last
			if host, port, err := net.SplitHostPort(text); v.name == "host" && err == nil {
				// An endpoint may have the port in it.
				o.Host, uri.port, portFrom = host, port, last
			}
		case *v.uri != "":
			*v.to = *v.uri
			o.From[v.name] = envDBDir + "/uri"
			if v.name == "port" {
				o.From[v.name] = envDBDir + "/" + portFrom
			}
		}
	}
	switch {
	case uriErr != nil && o.Host == "":
		return uriErr
	case uriErr != nil:
		s.Warnings = append(s.Warnings, uriErr.Error()+"; it is ignored, since other files say what to connect to")
	case len(uri.unused) > 0:
		s.Warnings = append(s.Warnings, envDBDir+": the file uri has parameters that odpm-checker does not take from it: "+strings.Join(uri.unused, ", "))
	}
	if o.SSLMode == "" {
		o.SSLMode = uri.sslmode
	}
	if os.Getenv("PGTARGETSESSIONATTRS") == "" {
		o.SessionAttrs = uri.attrs
	}
	if os.Getenv("PGSSLROOTCERT") == "" {
		o.RootCert = uri.root
	}
	for _, f := range []struct {
		to   *string
		name string
		want bool
	}{
		{&o.PassFile, "pgpass", o.Password == ""}, {&o.RootCert, "ca.crt", os.Getenv("PGSSLROOTCERT") == ""},
	} {
		path := filepath.Join(s.DBDir, f.name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = true
			if f.want {
				*f.to = path
			}
		}
	}
	if !found {
		return &connection.ConfigError{Where: envDBDir, What: "the directory has none of the files host, endpoint, port, username, user, password, dbname, database, uri, pgpass and ca.crt", Next: "mount the Secret there"}
	}
	return nil
}

// uriParts are a connection URI's.
type uriParts struct {
	host, port, user, password, name, sslmode, attrs, root string
	// unused are parameters of libpq that change what is connected to, and are not
	// looked at.
	unused []string
}

// parseURI reads postgresql://user:password@host:port,host:port/name?sslmode=….
// A parameter in the query beats the same one before it, as in libpq. An error does
// not repeat it.
func parseURI(text string) (uriParts, error) {
	bad := func(why string) (uriParts, error) {
		return uriParts{}, &connection.ConfigError{Where: envDBDir, What: "the file uri " + why + " (its content is not shown)", Next: "correct the key uri of the Secret, or leave it out"}
	}
	if text == "" {
		return uriParts{}, nil
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "postgresql" && scheme != "postgres" {
		return bad("is not a connection URI of PostgreSQL")
	}
	rest, query, _ := strings.Cut(rest, "?")
	var p uriParts
	authority, name, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		p.user, p.password, _ = strings.Cut(authority[:i], ":")
		authority = authority[i+1:]
	}
	p.name = name
	var hosts, ports []string
	for _, one := range strings.Split(authority, ",") {
		host, port := one, ""
		if h, n, err := net.SplitHostPort(one); err == nil {
			host, port = h, n
		}
		hosts, ports = append(hosts, strings.Trim(host, "[]")), append(ports, port)
	}
	p.host, p.port = strings.Join(hosts, ","), onePort(ports)
	for _, part := range []*string{&p.user, &p.password, &p.host, &p.name} {
		plain, err := url.PathUnescape(*part)
		if err != nil {
			return bad("has a % without two hexadecimal digits after it")
		}
		*part = plain
	}
	// For libpq a plus sign is one.
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
	if err != nil {
		return bad("has parameters that cannot be read")
	}
	for _, v := range []struct {
		key string
		to  *string
	}{
		{"host", &p.host}, {"port", &p.port}, {"user", &p.user}, {"password", &p.password}, {"dbname", &p.name},
		{"sslmode", &p.sslmode}, {"target_session_attrs", &p.attrs}, {"sslrootcert", &p.root},
	} {
		if text := values.Get(v.key); text != "" {
			*v.to = text
		}
		values.Del(v.key)
	}
	for key := range values {
		if libpq.LeadsElsewhere(key) {
			p.unused = append(p.unused, key)
		}
	}
	slices.Sort(p.unused)
	return p, nil
}

// onePort is the list of ports of so many hosts, as libpq takes it: where none is
// given it is 5432, and a single one counts for all of them.
func onePort(ports []string) string {
	same := true
	for _, port := range ports {
		same = same && port == ports[0]
	}
	if same {
		return ports[0]
	}
	for i, port := range ports {
		if port == "" {
			ports[i] = "5432"
		}
	}
	return strings.Join(ports, ",")
}
