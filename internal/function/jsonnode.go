package function

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// jsonReader makes YAML nodes of JSON text. YAML is nearly, and only nearly, a superset of JSON: it refuses surrogate
// escapes, DEL and long keys, so JSON is read as JSON.
type jsonReader struct {
	decoder *json.Decoder
	data    []byte
	seen    int // bytes whose lines are counted
	line    int
}

// jsonDocument reads text that json.Valid has accepted.
func jsonDocument(data []byte) *yaml.Node {
	r := &jsonReader{decoder: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	r.decoder.UseNumber()
	return r.value()
}

// value reads the next value. The text is valid, so that Token has no error to return and a nil token is null.
func (r *jsonReader) value() *yaml.Node {
	token, _ := r.decoder.Token()
	offset := int(r.decoder.InputOffset())
	r.line += bytes.Count(r.data[r.seen:offset], []byte{'\n'})
	r.seen = offset
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch v := token.(type) {
	case json.Delim:
		r.fill(node, v)
	case string:
		node.Tag, node.Value, node.Style = "!!str", v, yaml.DoubleQuotedStyle
	case json.Number:
		node.Tag, node.Value = numberTag(v.String()), v.String()
	case bool:
		node.Tag, node.Value = "!!bool", map[bool]string{true: "true", false: "false"}[v]
	default:
		node.Tag, node.Value = "!!null", "null"
	}
	return node
}

// fill reads the members of an object or the items of a list, and its closing delimiter.
func (r *jsonReader) fill(node *yaml.Node, open json.Delim) {
	node.Kind, node.Tag = yaml.MappingNode, "!!map"
	if open == '[' {
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	}
	for r.decoder.More() {
		node.Content = append(node.Content, r.value())
	}
	_, _ = r.decoder.Token()
}

func numberTag(text string) string {
	if bytes.ContainsAny([]byte(text), ".eE") {
		return "!!float"
	}
	return "!!int"
}
