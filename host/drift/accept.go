package drift

import (
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/wording"
)

// Accepted is the set of kinds that a person accepted.
type Accepted map[Kind]bool

// ParseAccepted reads the values of --accept-database-drift. A value may hold
// several kinds separated by commas. An unknown kind, and one that needs no
// acceptance, is a usage error.
func ParseAccepted(values []string) (Accepted, error) {
	out := Accepted{}
	for _, v := range values {
		for _, word := range strings.Split(v, ",") {
			k := Kind(strings.TrimSpace(word))
			switch s := severities[k]; s {
			case Medium, High:
				out[k] = true
			case "":
				return nil, fmt.Errorf("--accept-database-drift: %q is not a kind of drift; allowed: %s%s", word, join(Acceptable()), near(word))
			default:
				return nil, fmt.Errorf("--accept-database-drift: %s is %s and needs no acceptance; allowed: %s", k, s, join(Acceptable()))
			}
		}
	}
	return out, nil
}

// Open lists the drifts that still need an answer.
func Open(all []Drift, accepted Accepted) []Drift {
	var out []Drift
	for _, d := range all {
		if d.NeedsAnswer() && (!d.Resolvable || !accepted[d.Kind]) {
			out = append(out, d)
		}
	}
	return out
}

// Changes leaves out first_run, which is news and no drift.
func Changes(all []Drift) []Drift {
	var out []Drift
	for _, d := range all {
		if d.Kind != FirstRun {
			out = append(out, d)
		}
	}
	return out
}

// Has tells whether a kind is among the drifts.
func Has(all []Drift, kinds ...Kind) bool {
	for _, d := range all {
		for _, k := range kinds {
			if d.Kind == k {
				return true
			}
		}
	}
	return false
}

func join(kinds []Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// near asks whether another kind was meant.
func near(word string) string {
	var kinds []string
	for _, k := range order {
		kinds = append(kinds, string(k))
	}
	return wording.DidYouMean(word, kinds)
}
