// Package odooconf reads odoo.conf exactly as Python's RawConfigParser does
// and edits it so that every line, comment and order of the person's file
// stays byte for byte.
package odooconf

// File is a parsed odoo.conf that remembers its bytes.
type File struct{}
