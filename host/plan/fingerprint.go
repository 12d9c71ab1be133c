package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Fingerprint stands for all that a plan would do, contents of files included,
// by parts: each step, the drifts, what was accepted, and what it was made of. Two plans with the
// same do the same. What is only shown (SQL) is no part of it: a password's
// verifier is another each time.
func (p *Plan) Fingerprint() map[string]string {
	out := map[string]string{}
	for _, s := range p.Steps {
		// The lock makes the first of odpm's own directories.
		s.Actions = slices.DeleteFunc(slices.Clone(s.Actions), func(a Action) bool { return a.Op == MakeDir })
		for i := range s.Actions {
			s.Actions[i].SQL = nil
			if f := s.Actions[i].File; f != nil && s.ID == "checker.handoff" {
				s.Actions[i].File = &File{Path: f.Path, Old: f.Old, New: handoffID(f.New)}
			}
		}
		out[s.ID] = digest(s)
	}
	var accepted []string
	for k, yes := range p.Accepted {
		if yes {
			accepted = append(accepted, string(k))
		}
	}
	slices.Sort(accepted)
	out["drifts"] = digest(p.Drifts)
	out["accepted"] = digest(accepted)
	for name, sum := range p.Inputs {
		out[name] = sum
	}
	out["goal"] = digest([]any{p.Want.Goal, p.Want.ReplaceCompose})
	return out
}

// handoffID stands for a hand-off, which holds the time at which it was made; its
// id is the hash of the rest.
func handoffID(file []byte) []byte {
	var h struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(file, &h) != nil || h.ID == "" {
		return file
	}
	return []byte(h.ID)
}

func digest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain values
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
