package localpg

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// WithTLS gives a running cluster a certificate for a host name, and restarts
// it. root is the authority that signed it, as PEM.
func (c *Cluster) WithTLS(name string) (root []byte, err error) {
	if err := c.Stop(syscall.SIGINT); err != nil {
		return nil, err
	}
	root, key, err := Certificate(name)
	if err != nil {
		return nil, err
	}
	for file, data := range map[string][]byte{"server.crt": root, "server.key": key} {
		path := filepath.Join(c.Dir, file)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, err
		}
		if c.cred != nil {
			if err := os.Chown(path, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if err := c.Append("postgresql.conf", "ssl = on"); err != nil {
		return nil, err
	}
	return root, c.Start()
}

// Certificate makes one for a host name that is its own authority, and its key,
// both as PEM.
func Certificate(name string) (certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), nil
}
