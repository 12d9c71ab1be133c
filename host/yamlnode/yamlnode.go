// Package yamlnode reads and changes mappings of a YAML document and leaves
// everything else of it as it is: order, comments, styles.
package yamlnode

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// Get is a mapping's value, nil where it has no such key or is no mapping.
func Get(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// Set replaces a mapping's value, or adds it at the end.
func Set(mapping *yaml.Node, key string, value *yaml.Node) {
	if old := Get(mapping, key); old != nil {
		*old = *value
		return
	}
	mapping.Content = append(mapping.Content, Scalar(key), value)
}

// Scalar is a string, quoted where YAML would take it for something else.
func Scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// Pairs are the keys and values of a mapping, in their order.
func Pairs(mapping *yaml.Node) func(func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if mapping == nil {
			return
		}
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i].Value, mapping.Content[i+1]) {
				return
			}
		}
	}
}

// Order puts the named keys first, in this order, and leaves the rest.
func Order(mapping *yaml.Node, keys ...string) {
	if mapping == nil {
		return
	}
	type pair struct{ k, v *yaml.Node }
	var ps []pair
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		ps = append(ps, pair{mapping.Content[i], mapping.Content[i+1]})
	}
	rank := func(k *yaml.Node) int {
		if i := slices.Index(keys, k.Value); i >= 0 {
			return i
		}
		return len(keys)
	}
	slices.SortStableFunc(ps, func(a, b pair) int { return rank(a.k) - rank(b.k) })
	mapping.Content = mapping.Content[:0]
	for _, p := range ps {
		mapping.Content = append(mapping.Content, p.k, p.v)
	}
}
