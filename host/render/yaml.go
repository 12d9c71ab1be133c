package render

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// obj is a mapping in the order in which it is written: key, value, key, value.
// A value is a string, a number, a bool, an obj or a list; nil leaves it out.
type obj []any

type list []any

// documents writes one document after the other.
func documents(head string, docs ...obj) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(head)
	for _, d := range docs {
		n, err := node(d)
		if err != nil {
			return nil, err
		}
		b.WriteString("---\n")
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(n); err != nil {
			return nil, err
		}
		if err := enc.Close(); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func node(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case string:
		n := &yaml.Node{}
		n.SetString(v)
		if plain(v) {
			return n, nil
		}
		if strings.Contains(v, "\n") {
			n.Style = yaml.LiteralStyle
		} else {
			// "8069", "true" and "1e3" are texts here, for every reader of YAML.
			n.Style = yaml.DoubleQuotedStyle
		}
		return n, nil
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}, nil
	case octal:
		return v.node(), nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}, nil
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			if item == nil {
				continue
			}
			c, err := node(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		return n, nil
	case obj:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := 0; i+1 < len(v); i += 2 {
			if v[i+1] == nil {
				continue
			}
			key, err := node(v[i])
			if err != nil {
				return nil, err
			}
			value, err := node(v[i+1])
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, key, value)
		}
		return n, nil
	}
	return nil, fmt.Errorf("%T cannot be written as YAML", v)
}

// plain says whether a text needs no quotes in any version of YAML.
func plain(s string) bool {
	if s == "" {
		return false
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return false
	}
	if !strings.ContainsAny(s[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/") {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == ""
}
