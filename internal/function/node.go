package function

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// found describes a node for "X stands where Y is expected".
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Kind == yaml.MappingNode:
		return "a set of fields"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!str":
		return "the text " + quote(n.Value)
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "the number " + cut(n.Value)
	}
	return "the value " + cut(n.Value)
}

// cut shows a plain value without quotes.
func cut(s string) string {
	quoted := quote(s)
	return quoted[1:strings.LastIndexByte(quoted, '"')]
}

// join appends a field name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// joinUnknown is join for a name that may be anything.
func joinUnknown(path, name string) string {
	special := func(r rune) bool { return r <= ' ' || r == '.' || r == '[' || r == '"' || r >= 0x7f }
	if name == "" || len(name) > maxQuoted || strings.ContainsFunc(name, special) {
		name = quote(name)
	}
	return join(path, name)
}

// fieldByName returns the field of a struct with the given json name.
func fieldByName(in reflect.Value, name string) (reflect.Value, bool) {
	for i := range in.NumField() {
		if jsonName(in.Type().Field(i)) == name {
			return in.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// jsonName is the name of a field in a manifest; empty for fields that are not part of it.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}
