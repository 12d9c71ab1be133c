package tables

import "testing"

func TestSeries(t *testing.T) {
	for v, want := range map[string]string{"18.0.1.3": "18.0", "saas~17.4.1.3": "saas~17.4", "saas-18.2.1.0": "saas~18.2", "11.0.1.3": "11.0", "": "", "x": ""} {
		if got := SeriesOf(v); got != want {
			t.Errorf("%q: %q", v, got)
		}
	}
}
