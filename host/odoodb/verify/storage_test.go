package verify

import "testing"

func TestStorageOf(t *testing.T) {
	for name, want := range map[string]string{
		"s3://bucket/ab/cd": "s3", "odoofs://ab/abcd": "odoofs", "my_code.2://x": "my_code.2", "azure://x": "azure",
		"ab/abcdef": "", "": "", "://x": "", "../s3://x": "", "s3:/x": "", "/etc/passwd": "",
	} {
		if got, ok := storageOf(name); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", name, got, ok)
		}
	}
}
