// Package utf16text knows a text file that was saved in UTF-16: Windows
// PowerShell's > writes one, and Notepad does under the name Unicode. Read as
// UTF-8 it is a riddle in its first byte.
package utf16text

import "bytes"

// Why says what such a file is and what to do; it ends an error message.
const Why = "the file is in UTF-16, as Windows PowerShell writes it; save it as UTF-8"

// Is tells whether a text begins with UTF-16's byte order mark, or, without one,
// with characters of ASCII, each beside a zero byte on the same side. One zero byte
// among others is a broken file, and not in UTF-16.
func Is(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return true
	}
	begin := data[:min(len(data)&^1, looked)]
	for i := 0; i < len(begin); i += 2 {
		if (begin[i] == 0) == (begin[i+1] == 0) || (begin[i] == 0) != (begin[0] == 0) {
			return false
		}
	}
	return len(begin) > 0
}

// looked is how many bytes are looked at without a mark.
const looked = 16

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
