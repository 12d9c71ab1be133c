package wording

import (
	"slices"
	"strings"
)

// Nearest is the candidate that a word is probably a slip of, "" for none: one
// letter in four may be wrong, missing or too many, and two that stand the wrong
// way round are one slip. Case does not count.
func Nearest(word string, candidates []string) string {
	best, least := "", max(1, len(word)/4)+1
	if len(word) < 3 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// DidYouMean is a question to be put behind a message, "" where nothing is near.
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" && near != word {
		return "; did you mean " + near + "?"
	}
	return ""
}

// distance is Damerau's and Levenshtein's, restricted to neighbours.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range t {
		rows[0][j+1] = j + 1
	}
	for i := range s {
		for j := range t {
			change := 1
			if s[i] == t[j] {
				change = 0
			}
			d := slices.Min([]int{rows[i][j+1] + 1, rows[i+1][j] + 1, rows[i][j] + change})
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(s)][len(t)]
}
