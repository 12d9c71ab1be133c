// Package utf16text knows a text file that was saved in UTF-16: Windows
// PowerShell's > writes one, and Notepad does under the name Unicode. Read as
// UTF-8 it is a riddle in its first byte.
package utf16text

import "bytes"

// Why says what such a file is and what to do; it ends an error message.
const Why = "the file is in UTF-16, as Windows PowerShell writes it; save it as UTF-8"

// Is tells whether a text begins with UTF-16's byte order mark, or, without one,
// with a character and a zero byte in either order, which no other text does.
func Is(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return true
	}
	return len(data) >= 2 && (data[0] == 0) != (data[1] == 0)
}

// Encoding is iconv's name for that of a text in UTF-16.
func Encoding(data []byte) string {
	switch {
	case data[0] == 0:
		return "UTF-16BE"
	case data[1] == 0:
		return "UTF-16LE"
	}
	return "UTF-16" // The byte order mark says which, and iconv leaves it out.
}
