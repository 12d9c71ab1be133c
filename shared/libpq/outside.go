package libpq

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/shared/homedir"
)

// outside is what libpq takes from outside of the connection string, where
// pgx does otherwise: the connection service, then PG*.
type outside struct {
	service *service
	// explicit: nothing is taken, but addr, and with files what TLS needs.
	explicit bool
	addr     string
	files    bool
	// root and pass are files that a person names, in the place of all others.
	root, pass string
}

// get gives a parameter by libpq's name and its variable.
func (o outside) get(key, variable string) string {
	if o.service != nil {
		if v, ok := o.service.set[key]; ok {
			return v
		}
	}
	return o.env(variable)
}

// tls is get for the parameters that lead to no other server.
func (o outside) tls(key, variable string) string {
	if o.explicit && o.files {
		return os.Getenv(variable)
	}
	return o.get(key, variable)
}

func (o outside) env(variable string) string {
	if o.explicit {
		return ""
	}
	return os.Getenv(variable)
}

// home is a file in ~/.postgresql, "" without a home.
func home(name string) string {
	dir := homedir.Dir()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, ".postgresql", name)
}

// keywords gives pgx what it would not find, or not take, by itself. Nothing
// secret is among it: pgx's parse errors quote theirs.
func (o outside) keywords() []string {
	var kv []string
	if o.service != nil {
		kv = append(kv, "servicefile="+QuoteKV(o.service.path))
		for k, v := range o.service.set {
			if k != "password" && k != "sslpassword" {
				kv = append(kv, k+"="+QuoteKV(v))
			}
		}
	}
	if n := strings.TrimSpace(o.get("connect_timeout", "PGCONNECT_TIMEOUT")); n != "" {
		if _, err := strconv.ParseInt(n, 10, 32); err == nil {
			// The attempt has a limit of its own; negative ones are libpq's too.
			kv = append(kv, "connect_timeout=0")
		}
	}
	return kv
}

// refuse says what is set and cannot be proven.
func (o outside) refuse(sslmode string) error {
	if o.explicit {
		return nil
	}
	for _, v := range []struct{ key, variable string }{
		{"sslmode", "PGSSLMODE"}, {"channel_binding", "PGCHANNELBINDING"}, {"target_session_attrs", "PGTARGETSESSIONATTRS"},
		{"connect_timeout", "PGCONNECT_TIMEOUT"}, {"gssencmode", "PGGSSENCMODE"}, {"", "PGTZ"}, {"", "PGGEQO"},
	} {
		_, set := os.LookupEnv(v.variable)
		if o.service != nil {
			_, inService := o.service.set[v.key]
			set = set || inService
		}
		if set && o.get(v.key, v.variable) == "" && (v.key != "sslmode" || sslmode == "") {
			return wrong(v.variable + " is set but empty, which libpq does not accept, so Odoo would not connect: remove it, or give it a value")
		}
	}
	switch o.get("gssencmode", "PGGSSENCMODE") {
	case "", "disable", "prefer":
	case "require":
		return wrong("gssencmode (PGGSSENCMODE) is require, and encryption by GSSAPI is not supported")
	default:
		return wrong("gssencmode (PGGSSENCMODE) is not one of disable, prefer, require")
	}
	if o.get("sslnegotiation", "PGSSLNEGOTIATION") == "direct" && !demandsTLS(sslmode) {
		return wrong("sslnegotiation (PGSSLNEGOTIATION) is direct, which libpq takes only with sslmode require, verify-ca or verify-full: set db_sslmode")
	}
	return nil
}

// sslmode is what libpq takes where nobody gave one.
func (o outside) sslmode() string {
	mode := o.get("sslmode", "PGSSLMODE")
	if mode == "" && strings.HasPrefix(o.env("PGREQUIRESSL"), "1") {
		mode = "require"
	}
	return mode
}

// asLibpq does to pgx's configuration what no keyword does.
func (o outside) asLibpq(pc *pgconn.Config) error {
	for k := range pc.RuntimeParams {
		if libpqKeys[k] && !sentKeys[k] {
			delete(pc.RuntimeParams, k)
		}
	}
	for parameter, v := range map[string]string{
		"client_encoding": o.get("client_encoding", "PGCLIENTENCODING"),
		"datestyle":       o.env("PGDATESTYLE"), "timezone": o.env("PGTZ"), "geqo": o.env("PGGEQO"),
	} {
		// "auto" is the locale's, "default" the server's.
		if delete(pc.RuntimeParams, parameter); v != "" && v != "auto" && !strings.EqualFold(v, "default") {
			pc.RuntimeParams[parameter] = v
		}
	}
	low, high := o.tls("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"), o.tls("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION")
	minimum, ok := tlsVersions[strings.ToLower(low)]
	maximum, ok2 := tlsVersions[strings.ToLower(high)]
	if !ok || !ok2 || maximum != 0 && minimum > maximum {
		return wrong("the versions of TLS cannot be used: check PGSSLMINPROTOCOLVERSION and PGSSLMAXPROTOCOLVERSION")
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
