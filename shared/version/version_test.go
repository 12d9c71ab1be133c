package version

import "testing"

func TestText(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, tc := range []struct{ number, commit, date, want string }{
		{"v1.2.3", commit, "2026-11-24T02:45:43Z", "v1.2.3 (commit 0123456789ab, 2026-11-24T02:45:43Z)"},
		{"v1.2.3", commit, "", "v1.2.3 (commit 0123456789ab)"},
		{"v1.2.3", "0123", "", "v1.2.3 (commit 0123)"},
		{"(devel)", "", "", "(devel)"},
	} {
		if got := text(tc.number, tc.commit, tc.date); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
