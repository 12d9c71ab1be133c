package wording

import (
	"regexp"
	"strings"
)

// secretLine finds a key whose value must not be shown: db_password and
// admin_passwd in odoo.conf, POSTGRES_PASSWORD and its kin in a compose file,
// a list item "- PASSWORD=x" too. A path to a secret's file is no secret.
var secretLine = regexp.MustCompile(`(?i)^([\s-]*["']?[\w.-]*(?:pass|passwd|password|pwd|secret|token|api_?key)[\w.-]*["']?\s*[:=]\s*)(\S.*?)(\r?)$`)

var noSecret = regexp.MustCompile(`(?i)(_file\b|secrets?["']?\s*:\s*$|_file["']?\s*[:=])`)

// url credentials: scheme://user:password@host
var urlSecret = regexp.MustCompile(`(://[^:/\s@]+:)[^@\s]+@`)

// MaskSecrets shows the text of a configuration file without its secrets.
func MaskSecrets(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if m := secretLine.FindStringSubmatch(l); m != nil && !noSecret.MatchString(m[1]) {
			l = m[1] + "***" + m[3]
		}
		lines[i] = urlSecret.ReplaceAllString(l, "${1}***@")
	}
	return strings.Join(lines, "\n")
}
