// Package yamlnode reads and changes mappings of a YAML document and leaves
// everything else of it as it is: order, comments, styles.
package yamlnode

import "go.yaml.in/yaml/v4"

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
