package settings

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/odpm/odpm/checker/connection"
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
	found := false
	read := func(names ...string) (string, error) {
		for _, name := range names {
			data, err := regular.Read(filepath.Join(s.DBDir, name), 64<<10)
			switch {
			case err == nil:
				found = true
				return strings.TrimRight(string(data), "\r\n"), nil
			case !errors.Is(err, fs.ErrNotExist):
				return "", &connection.ConfigError{Where: envDBDir, What: name + " cannot be read: " + reason(err),
					Next: "mount the Secret readable for uid " + strconv.Itoa(os.Getuid()) + ": defaultMode: 0440 with fsGroup, or 0444"}
			}
		}
		return "", nil
	}
	text, err := read("uri")
	uri, uriErr := parseURI(text)
	if err = errors.Join(err, uriErr); err != nil {
		return err
	}
	for _, v := range []struct {
		to    *string
		names []string
		uri   *string
	}{
		{&o.Host, []string{"host", "endpoint"}, &uri.host}, {&o.Port, []string{"port"}, &uri.port},
		{&o.User, []string{"username", "user"}, &uri.user}, {&o.Password, []string{"password"}, &uri.password},
		{&o.DirName, []string{"dbname", "database"}, &uri.name},
	} {
		text, err := read(v.names...)
		switch {
		case err != nil:
			return err
		case *v.to != "":
		case text != "":
			*v.to = text
			if host, port, err := net.SplitHostPort(text); v.to == &o.Host && err == nil {
				// An endpoint may have the port in it.
				o.Host, uri.port = host, port
			}
		default:
			*v.to = *v.uri
		}
	}
	if o.SSLMode == "" {
		o.SSLMode = uri.sslmode
	}
	if os.Getenv("PGTARGETSESSIONATTRS") == "" {
		o.SessionAttrs = uri.attrs
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
type uriParts struct{ host, port, user, password, name, sslmode, attrs string }

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
	var hosts []string
	for i, one := range strings.Split(authority, ",") {
		host, port := one, ""
		if h, n, err := net.SplitHostPort(one); err == nil {
			host, port = h, n
		}
		if i > 0 && port != p.port {
			return bad("has hosts with different ports")
		}
		hosts, p.port = append(hosts, strings.Trim(host, "[]")), port
	}
	p.host = strings.Join(hosts, ",")
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
		{"sslmode", &p.sslmode}, {"target_session_attrs", &p.attrs},
	} {
		if text := values.Get(v.key); text != "" {
			*v.to = text
		}
	}
	return p, nil
}
