package pglogin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// nextNoTLS and the like tell how to get the encryption that was asked for.
// None of them tells how to do without: whoever reads one has asked for it.
const (
	nextNoTLS     = "enable TLS on the server: ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf, then reload it"
	nextDirect    = "sslnegotiation=direct needs PostgreSQL 17 or a proxy that takes it: unless that is what starts there, remove PGSSLNEGOTIATION"
	nextAuthority = "get the certificate of the authority that signed the server's, and name its file: PGSSLROOTCERT=/path/to/ca.crt"
)

// tlsError tells apart what a handshake ended with.
func tlsError(err error) *Error {
	e := &Error{Reason: TLS, detail: oneLine(tlsText(err)), next: "see the server's log for its side of the handshake, and compare its ssl settings with PGSSLROOTCERT, PGSSLCERT and PGSSLKEY here"}
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	alert := alertOf(err)
	switch {
	case errors.As(err, &name):
		names := append([]string(nil), name.Certificate.DNSNames...)
		for _, ip := range name.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) == 0 {
			e.detail = "the server's certificate names no host at all, so not " + Shown(name.Host)
			e.next = "give the server a certificate whose subjectAltName has DNS:" + Shown(name.Host)
			break
		}
		list := oneLine(strings.Join(names, ", "))
		e.detail = "the server's certificate is for " + list + " and not for " + Shown(name.Host)
		e.next = "set db_host to a name that the certificate is for (" + list + "), or give the server a certificate for " + Shown(name.Host)
	case errors.As(err, &authority):
		e.detail = "the server's certificate was signed by an authority that is not known here"
		e.next = nextAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.detail = "the server's certificate is not valid at this time (" + e.detail + ")"
		e.next = "renew the server's certificate, or correct this machine's clock (see: date)"
	case strings.Contains(alert, "protocol version"):
		e.next = "let both sides share a version: ssl_min_protocol_version of the server, PGSSLMINPROTOCOLVERSION and PGSSLMAXPROTOCOLVERSION here"
	case strings.Contains(alert, "certificate"):
		e.detail = "the server does not accept the client's certificate: " + alert
		if strings.Contains(alert, "required") {
			e.detail = "the server requires a client certificate, and there is none here"
		}
		e.next = "name one that an authority of the server's ssl_ca_file (of PgBouncer: client_tls_ca_file) has signed: PGSSLCERT=/path/to/client.crt and PGSSLKEY=/path/to/client.key"
	}
	return e
}

// alertOf is the text of the alert with which a side ended TLS, "" without one. From
// TLS 1.3 on a server judges the client's certificate after the client's handshake is
// over, so that it comes in the place of the first message. crypto/tls has no type for
// it (its AlertError is QUIC's).
func alertOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil && (op.Op == "remote error" || op.Op == "local error") {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

func isTLS(err error) bool {
	var (
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &verify) || alertOf(err) != "" ||
		errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &invalid) ||
		strings.Contains(err.Error(), "tls error: ") && strings.Contains(err.Error(), "tls: ")
}

// tlsText is crypto/tls's part of the message: short, and free of settings.
func tlsText(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, "tls: "); i >= 0 {
		return s[i+len("tls: "):]
	}
	if i := strings.LastIndex(s, "x509: "); i >= 0 {
		return s[i+len("x509: "):]
	}
	return "the handshake failed"
}
