package pglogin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgpassfile"
	"github.com/jackc/pgx/v5/pgconn"
)

// settings are what libpq takes from outside of the connection string, where
// pgx does otherwise: the connection service, then PG*.
type settings struct {
	service *service
	// explicit: nothing is taken.
	explicit bool
}

// get gives a parameter by libpq's name and its variable.
func (s settings) get(key, variable string) string {
	if s.service != nil {
		if v, ok := s.service.set[key]; ok {
			return v
		}
	}
	return s.env(variable)
}

func (s settings) env(variable string) string {
	if s.explicit {
		return ""
	}
	return os.Getenv(variable)
}

// home is a file in ~/.postgresql, "" without a home.
func home(name string) string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, ".postgresql", name)
}

// keywords gives pgx what it would not find, or not take, by itself. Nothing
// secret is among it: pgx's parse errors quote theirs.
func (s settings) keywords() []string {
	var kv []string
	if s.service != nil {
		kv = append(kv, "servicefile="+quoteKV(s.service.path))
		for k, v := range s.service.set {
			if k != "password" && k != "sslpassword" {
				kv = append(kv, k+"="+quoteKV(v))
			}
		}
	}
	if n := strings.TrimSpace(s.get("connect_timeout", "PGCONNECT_TIMEOUT")); n != "" {
		if _, err := strconv.ParseInt(n, 10, 32); err == nil {
			// The attempt has a limit of its own; negative ones are libpq's too.
			kv = append(kv, "connect_timeout=0")
		}
	}
	return kv
}

// refuse says what is set and cannot be proven.
func (s settings) refuse(sslmode string) error {
	if s.explicit {
		return nil
	}
	for _, v := range []struct{ key, variable string }{
		{"sslmode", "PGSSLMODE"}, {"channel_binding", "PGCHANNELBINDING"}, {"target_session_attrs", "PGTARGETSESSIONATTRS"},
		{"connect_timeout", "PGCONNECT_TIMEOUT"}, {"gssencmode", "PGGSSENCMODE"}, {"", "PGTZ"}, {"", "PGGEQO"},
	} {
		_, set := os.LookupEnv(v.variable)
		if s.service != nil {
			_, inService := s.service.set[v.key]
			set = set || inService
		}
		if set && s.get(v.key, v.variable) == "" && (v.key != "sslmode" || sslmode == "") {
			return configError(v.variable + " is set and empty, which libpq does not take, so Odoo would not connect: remove it, or give it a value")
		}
	}
	switch s.get("gssencmode", "PGGSSENCMODE") {
	case "", "disable", "prefer":
	case "require":
		return configError("gssencmode (PGGSSENCMODE) is require, and encryption by GSSAPI is not done here")
	default:
		return configError("gssencmode (PGGSSENCMODE) is not one of disable, prefer, require")
	}
	if s.get("sslnegotiation", "PGSSLNEGOTIATION") == "direct" && !demandsTLS(sslmode) {
		return configError("sslnegotiation (PGSSLNEGOTIATION) is direct, which libpq takes only with sslmode require, verify-ca or verify-full: set db_sslmode")
	}
	return nil
}

// sslmode is what libpq takes where nobody gave one.
func (s settings) sslmode() string {
	mode := s.get("sslmode", "PGSSLMODE")
	if mode == "" && strings.HasPrefix(s.env("PGREQUIRESSL"), "1") {
		mode = "require"
	}
	return mode
}

// tlsFiles are the files that TLS needs; libpq does without those that do not
// exist. unusable says why libpq would not begin with TLS at all: it then goes
// on without, or fails where sslmode demands it.
func (s settings) tlsFiles() (kv []string, unusable string) {
	none := []string{"sslcert=''", "sslkey=''"}
	if s.explicit {
		return append(none, "sslrootcert=''"), ""
	}
	root := s.get("sslrootcert", "PGSSLROOTCERT")
	if root == "" {
		root = home("root.crt")
	}
	switch text, err := os.ReadFile(root); {
	case root == "system":
	case errors.Is(err, fs.ErrNotExist):
		kv = append(kv, "sslrootcert=''")
	case err != nil || !x509.NewCertPool().AppendCertsFromPEM(text):
		kv = append(kv, "sslrootcert=''")
		unusable = "the file of certificate authorities (PGSSLROOTCERT, else ~/.postgresql/root.crt) cannot be used"
	}
	cert, key := s.get("sslcert", "PGSSLCERT"), s.get("sslkey", "PGSSLKEY")
	if cert == "" {
		cert = home("postgresql.crt")
	}
	if key == "" {
		key = home("postgresql.key")
	}
	if _, err := os.Stat(cert); err != nil || s.get("sslcertmode", "PGSSLCERTMODE") == "disable" {
		return append(kv, none...), unusable
	}
	info, err := os.Stat(key)
	switch {
	case err != nil:
		return append(kv, none...), "there is a client certificate (PGSSLCERT) and no file of its key (PGSSLKEY)"
	case !info.Mode().IsRegular() || keyOpen(info):
		return append(kv, none...), "others may read the client certificate's key (PGSSLKEY, else ~/.postgresql/postgresql.key): chmod 600"
	}
	return append(kv, "sslcert="+quoteKV(cert), "sslkey="+quoteKV(key)), unusable
}

// keyOpen: libpq takes a key that its owner alone may read, or, of root's, the
// group too.
func keyOpen(info fs.FileInfo) bool {
	closed := fs.FileMode(0o077)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == 0 {
		closed = 0o037
	}
	return info.Mode().Perm()&closed != 0
}

// asLibpq does to pgx's configuration what no keyword does.
func (s settings) asLibpq(pc *pgconn.Config) error {
	for k := range pc.RuntimeParams {
		if libpqKeys[k] && !sentKeys[k] {
			delete(pc.RuntimeParams, k)
		}
	}
	for parameter, v := range map[string]string{
		"client_encoding": s.get("client_encoding", "PGCLIENTENCODING"),
		"datestyle":       s.env("PGDATESTYLE"), "timezone": s.env("PGTZ"), "geqo": s.env("PGGEQO"),
	} {
		// "auto" is the locale's, "default" the server's.
		if delete(pc.RuntimeParams, parameter); v != "" && v != "auto" && !strings.EqualFold(v, "default") {
			pc.RuntimeParams[parameter] = v
		}
	}
	low, high := s.get("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"), s.get("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION")
	minimum, ok := tlsVersions[strings.ToLower(low)]
	maximum, ok2 := tlsVersions[strings.ToLower(high)]
	if !ok || !ok2 || maximum != 0 && minimum > maximum {
		return configError("the versions of TLS cannot be used: check PGSSLMINPROTOCOLVERSION and PGSSLMAXPROTOCOLVERSION")
	}
	for _, t := range tlsConfigs(pc) {
		t.MinVersion, t.MaxVersion = minimum, maximum
		if t.RootCAs != nil && t.InsecureSkipVerify && t.VerifyPeerCertificate == nil {
			// allow and prefer: libpq looks at the chain wherever there are authorities.
			t.VerifyPeerCertificate = verifyChain(t.RootCAs)
		}
	}
	return nil
}

var tlsVersions = map[string]uint16{"": 0, "tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13}

func tlsConfigs(pc *pgconn.Config) []*tls.Config {
	var all []*tls.Config
	for _, f := range append([]*pgconn.FallbackConfig{{TLSConfig: pc.TLSConfig}}, pc.Fallbacks...) {
		if f.TLSConfig != nil {
			all = append(all, f.TLSConfig)
		}
	}
	return all
}

func verifyChain(roots *x509.CertPool) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		var leaf *x509.Certificate
		for i, der := range raw {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			if i == 0 {
				leaf = c
			} else {
				options.Intermediates.AddCert(c)
			}
		}
		if leaf == nil {
			return errors.New("no certificate")
		}
		_, err := leaf.Verify(options)
		return err
	}
}

// passfile is where libpq looks for passwords.
func (s settings) passfile() string {
	if path := s.get("passfile", "PGPASSFILE"); path != "" {
		return path
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, ".pgpass")
}

// defaultSocketDir is that of Debian's libpq.
const defaultSocketDir = "/var/run/postgresql"

// filedPassword is the one that the password file has for host. libpq looks a
// socket up by its directory, of which only the default one is localhost; pgx
// takes localhost for each.
func (s settings) filedPassword(pc *pgconn.Config, host string) string {
	path := s.passfile()
	if openToOthers(path) {
		return ""
	}
	file, err := pgpassfile.ReadPassfile(path)
	if err != nil {
		return ""
	}
	if host == defaultSocketDir {
		host = "localhost"
	}
	return file.FindPassword(host, strconv.Itoa(int(pc.Port)), pc.Database, pc.User)
}
