package cluster

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/odpm/odpm/shared/saslprep"
)

// scramIterations is PostgreSQL's SCRAM_SHA_256_DEFAULT_ITERATIONS.
const scramIterations = 4096

// maxIterations bounds what is computed to compare a verifier, since a role
// may store any for itself: a thousand times what PostgreSQL's own have by
// default, some seconds.
const maxIterations = 1000 * scramIterations

const saltLen = 16

// Verifier is what PostgreSQL stores for a password, made here so that no
// statement ever carries the password itself. encryption is "scram-sha-256"
// (also for "") or "md5", as in password_encryption.
func Verifier(encryption, role, password string) (string, error) {
	var v string
	switch encryption {
	case "", "scram-sha-256":
		salt := make([]byte, saltLen)
		if _, err := rand.Read(salt); err != nil {
			return "", err
		}
		k, err := scramKeys(password, salt, scramIterations)
		if err != nil {
			return "", err
		}
		b64 := base64.StdEncoding.EncodeToString
		v = fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(k.stored), b64(k.server))
	case "md5":
		v = md5Verifier(role, password)
	default:
		return "", fmt.Errorf("password_encryption %q is neither scram-sha-256 nor md5", encryption)
	}
	// A verifier with a flaw in its form is taken for a password and hashed
	// again (measured, 12 to 18): the role would be locked out without an error.
	if !wellFormed(v) || !Matches(v, role, password) {
		return "", errors.New("the password verifier that was computed does not verify its own password; nothing was sent")
	}
	return v, nil
}

// Matches tells whether a stored verifier belongs to the password; false for
// an empty or unknown one.
func Matches(verifier, role, password string) bool {
	if isMD5(verifier) {
		return subtle.ConstantTimeCompare([]byte(verifier), []byte(md5Verifier(role, password))) == 1
	}
	s, ok := parseSCRAM(verifier)
	if !ok {
		return false
	}
	if s.iterations > maxIterations {
		return false
	}
	k, err := scramKeys(password, s.salt, s.iterations)
	return err == nil && hmac.Equal(k.stored, s.stored) && hmac.Equal(k.server, s.server)
}

// encryptionOf names a stored verifier's kind as password_encryption does; ""
// is none, or one that this program does not know.
func encryptionOf(verifier string) string {
	if isMD5(verifier) {
		return "md5"
	}
	if _, ok := parseSCRAM(verifier); ok {
		return "scram-sha-256"
	}
	return ""
}

type keys struct{ stored, server []byte }

// scramKeys derives StoredKey and ServerKey (RFC 5802, section 3).
func scramKeys(password string, salt []byte, iterations int) (keys, error) {
	salted, err := pbkdf2.Key(sha256.New, saslprep.Password(password), salt, iterations, sha256.Size)
	if err != nil {
		return keys{}, err
	}
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client)
	return keys{stored[:], mac(salted, "Server Key")}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func md5Verifier(role, password string) string {
	sum := md5.Sum([]byte(password + role))
	return "md5" + hex.EncodeToString(sum[:])
}

func isMD5(v string) bool {
	return len(v) == 35 && strings.HasPrefix(v, "md5") && strings.Trim(v[3:], "0123456789abcdef") == ""
}

type scramVerifier struct {
	iterations           int
	salt, stored, server []byte
}

func parseSCRAM(v string) (scramVerifier, bool) {
	var s scramVerifier
	rest, ok := strings.CutPrefix(v, "SCRAM-SHA-256$")
	head, tail, ok2 := strings.Cut(rest, "$")
	count, salt, ok3 := strings.Cut(head, ":")
	stored, server, ok4 := strings.Cut(tail, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return s, false
	}
	var errs [4]error
	s.iterations, errs[0] = strconv.Atoi(count)
	s.salt, errs[1] = base64.StdEncoding.DecodeString(salt)
	s.stored, errs[2] = base64.StdEncoding.DecodeString(stored)
	s.server, errs[3] = base64.StdEncoding.DecodeString(server)
	return s, errors.Join(errs[:]...) == nil && s.iterations > 0 && len(s.salt) > 0 &&
		len(s.stored) == sha256.Size && len(s.server) == sha256.Size
}

// wellFormed is PostgreSQL's get_password_type, kept strict.
func wellFormed(v string) bool { return encryptionOf(v) != "" }

var secretInSQL = regexp.MustCompile(`SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]*\$[A-Za-z0-9+/=]*:[A-Za-z0-9+/=]*|\bmd5[0-9a-f]{32}\b`)

// mask hides verifiers in a text that a person will see. They are not
// passwords, but good enough to guess weak ones from.
func mask(s string) string { return secretInSQL.ReplaceAllString(s, "***") }
