package libpq

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// tlsFiles are the files that TLS needs; libpq does without those that do not
// exist. unusable says why libpq would not begin with TLS at all: it then goes
// on without, or fails where sslmode demands it.
func (o outside) tlsFiles() (kv []string, unusable string) {
	none := []string{"sslcert=''", "sslkey=''"}
	if o.explicit && !o.files {
		return append(none, "sslrootcert=''"), ""
	}
	root := cmp.Or(o.root, o.tls("sslrootcert", "PGSSLROOTCERT"), home("root.crt"))
	switch text, err := regular.Read(root, 4<<20); {
	case root == "system" && o.root != "":
		kv = append(kv, "sslrootcert=system")
	case root == "system":
	case errors.Is(err, fs.ErrNotExist):
		kv = append(kv, "sslrootcert=''")
	case err != nil || !x509.NewCertPool().AppendCertsFromPEM(text):
		kv = append(kv, "sslrootcert=''")
		unusable = "the file of certificate authorities (PGSSLROOTCERT, else ~/.postgresql/root.crt) cannot be used"
	case o.root != "":
		kv = append(kv, "sslrootcert="+QuoteKV(o.root))
	}
	cert, key := o.tls("sslcert", "PGSSLCERT"), o.tls("sslkey", "PGSSLKEY")
	if cert == "" {
		cert = home("postgresql.crt")
	}
	if key == "" {
		key = home("postgresql.key")
	}
	if _, err := os.Stat(cert); err != nil || o.tls("sslcertmode", "PGSSLCERTMODE") == "disable" {
		return append(kv, none...), unusable
	}
	info, err := os.Stat(key)
	switch {
	case err != nil:
		return append(kv, none...), "there is a client certificate (PGSSLCERT), but its key (PGSSLKEY) is missing"
	case !info.Mode().IsRegular() || keyOpen(info):
		return append(kv, none...), "others may read the client certificate's key (PGSSLKEY, else ~/.postgresql/postgresql.key): chmod 600 " + shell.Quote(key)
	}
	return append(kv, "sslcert="+QuoteKV(cert), "sslkey="+QuoteKV(key)), unusable
}

// noRoot says which file of authorities there is not.
func (o outside) noRoot() string {
	root := cmp.Or(o.root, o.tls("sslrootcert", "PGSSLROOTCERT"))
	switch {
	case strings.HasPrefix(root, "/"):
		return "the file of certificate authorities " + strconv.Quote(root) + " (PGSSLROOTCERT) does not exist"
	case root != "":
		return "the file of certificate authorities that PGSSLROOTCERT names does not exist"
	}
	return "there is no file of certificate authorities: PGSSLROOTCERT is not set, and there is no ~/.postgresql/root.crt"
}

// nextFile is the next step where a file of TLS's cannot be used.
func nextFile(unusable string) string {
	switch {
	case strings.Contains(unusable, "authorities"):
		return "mount the certificate of the authority that signed the server's, and name its file: PGSSLROOTCERT=/path/to/ca.crt (PGSSLROOTCERT=system takes this system's authorities)"
	case strings.Contains(unusable, "PGHOSTADDR"):
		return "set db_host to the name that the server's certificate is for"
	}
	return "correct the files that PGSSLCERT and PGSSLKEY name"
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

// verifiesWithoutRoot: pgx takes the system's authorities where none is named,
// libpq refuses.
func verifiesWithoutRoot(pc *pgconn.Config) bool {
	t := pc.TLSConfig
	return t != nil && t.RootCAs == nil && (!t.InsecureSkipVerify || t.VerifyPeerCertificate != nil)
}

func demandsTLS(sslmode string) bool {
	return sslmode == "require" || sslmode == "verify-ca" || sslmode == "verify-full"
}

// modes are libpq's, each as strict as the one before it or stricter.
var modes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// Stricter gives the stricter one of two sslmodes; "" is none. A word that is
// none of libpq's is for Config to refuse, and counts as the strictest.
func Stricter(a, b string) string {
	rank := func(mode string) int {
		if i := slices.Index(modes, mode); i >= 0 || mode == "" {
			return i
		}
		return len(modes)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// tlsVariables are those of libpq's that say how a connection is encrypted, but
// for PGSSLMODE, and the file in ~/.postgresql that stands for each.
var tlsVariables = []struct{ name, file string }{
	{"PGSSLROOTCERT", "root.crt"}, {"PGSSLCERT", "postgresql.crt"}, {"PGSSLKEY", "postgresql.key"}, {"PGSSLCRL", "root.crl"},
	{"PGSSLCRLDIR", ""}, {"PGSSLCERTMODE", ""}, {"PGSSLMINPROTOCOLVERSION", ""}, {"PGSSLMAXPROTOCOLVERSION", ""},
}

// IsTLSVariable tells whether a variable says with which files and versions a
// connection is encrypted; none of them leads to another server.
func IsTLSVariable(name string) bool {
	for _, v := range tlsVariables {
		if v.name == name {
			return true
		}
	}
	return false
}

// TLSEnv is the environment, KEY=VALUE, of a program that is to find the files
// of TLS where this process finds them, whatever its HOME is.
func TLSEnv() []string {
	var env []string
	for _, v := range tlsVariables {
		value := os.Getenv(v.name)
		if value == "" && v.file != "" {
			if path := home(v.file); path != "" {
				if _, err := os.Stat(path); err == nil {
					value = path
				}
			}
		}
		if value != "" {
			env = append(env, v.name+"="+value)
		}
	}
	return env
}
