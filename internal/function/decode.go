package function

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// aliasBudget bounds what aliases may add to one document, in values plus the bytes of their text. Without it a kilobyte
// of nested aliases stands for gigabytes.
const aliasBudget = 64 << 10

// maxProblems bounds the report about one document.
const maxProblems = 1000

// decoder fills a Function from nodes, by the json names of its fields. It collects problems instead of stopping at the
// first, and remembers where each field was written.
type decoder struct {
	offset     int
	places     map[string]position // where each path is written
	broken     []string            // paths whose value could not be read: rules about them would only confuse
	meant      []string            // paths that unknown fields were probably meant for
	problems   []Problem
	unshown    int // problems beyond maxProblems
	aliasDepth int // > 0 while inside the target of an alias
	aliasSpent int
	tooDeep    bool // said so already
}

func newDecoder(offset int) *decoder {
	return &decoder{offset: offset, places: map[string]position{}}
}

// written reports whether the document says anything at path.
func (d *decoder) written(path string) bool {
	_, ok := d.places[path]
	return ok
}

// unread lists the paths about which rules shall be silent: what could not be read, and what is there but misspelt.
func (d *decoder) unread() []string {
	unread := d.broken
	for _, path := range d.meant {
		if !d.written(path) {
			unread = append(unread, path)
		}
	}
	return unread
}

func (d *decoder) at(n *yaml.Node) position { return position{n.Line + d.offset, n.Column} }

// refuse records a problem with what is written at path.
func (d *decoder) refuse(path string, n *yaml.Node, message, hint string) {
	d.broken = append(d.broken, path)
	d.add(path, n, message, hint)
}

func (d *decoder) add(path string, n *yaml.Node, message, hint string) {
	if len(d.problems) >= maxProblems {
		d.unshown++
		return
	}
	at := d.at(n)
	d.problems = append(d.problems, Problem{Line: at.line, Column: at.column, Path: path, Message: message, Hint: hint})
}

// value decodes n into the field at path.
func (d *decoder) value(path string, n *yaml.Node, into reflect.Value) {
	if _, ok := d.places[path]; !ok || n.Kind == yaml.ScalarNode {
		d.places[path] = d.at(n)
	}
	n, done, ok := d.follow(path, n)
	if !ok {
		return
	}
	defer done()
	if isNull(n) && into.Type() != reflect.TypeFor[json.RawMessage]() {
		d.refuse(path, n, "it has no value", "write one, or delete the line")
		return
	}
	switch into.Interface().(type) {
	case json.RawMessage:
		d.data(path, n, into)
		return
	case Duration:
		d.duration(path, n, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.object(path, n, into.Elem())
	case reflect.Struct:
		d.object(path, n, into)
	case reflect.Slice:
		d.list(path, n, into)
	case reflect.Map:
		d.texts(path, n, into)
	case reflect.Bool:
		d.truth(path, n, into)
	case reflect.Int:
		d.number(path, n, into)
	default:
		d.text(path, n, into)
	}
}

// follow replaces an alias by what it stands for and charges the budget. done must be called when the value is read.
func (d *decoder) follow(path string, n *yaml.Node) (target *yaml.Node, done func(), ok bool) {
	target, done = n, func() {}
	if n.Kind == yaml.AliasNode {
		d.aliasDepth++
		target, done = n.Alias, func() { d.aliasDepth-- }
	}
	if !d.charge(path, n, target) {
		done()
		return nil, nil, false
	}
	return target, done, true
}

// charge counts what is read through aliases. Crossing the budget is one problem, at the place where it happens; after it
// nothing more is read.
func (d *decoder) charge(path string, n, target *yaml.Node) bool {
	spent := d.aliasSpent > aliasBudget
	if d.aliasDepth == 0 || spent {
		return !spent
	}
	d.aliasSpent += 1 + len(target.Value)
	if d.aliasSpent > aliasBudget {
		message := fmt.Sprintf("aliases in this document expand to more than %d bytes", aliasBudget)
		d.refuse(path, n, message, "write the values out")
		return false
	}
	return true
}

// member is one key of a mapping with its value.
type member struct {
	name       string
	key, value *yaml.Node
}

// members returns the keys of a mapping in order, refusing those that are not plain text or stand there twice.
func (d *decoder) members(path string, n *yaml.Node) []member {
	if n.Kind != yaml.MappingNode {
		d.refuse(path, n, found(n)+" stands where fields are expected", "write name: value lines")
		return nil
	}
	var members []member
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.charge(path, key, key) {
			return members
		}
		switch earlier := first[key.Value]; {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			d.add(path, key, "merge keys (<<) are not supported", "write the fields out")
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			d.add(path, key, found(key)+" is not a field name", "write a name, in quotes if it is not a plain word")
		case earlier != nil:
			lines := fmt.Sprintf("lines %d and %d", d.at(earlier).line, d.at(key).line)
			d.add(joinUnknown(path, key.Value), key, "it is written twice, on "+lines, "keep one of them")
		default:
			first[key.Value] = key
			members = append(members, member{key.Value, key, value})
		}
	}
	return members
}

// object decodes a mapping into a struct.
func (d *decoder) object(path string, n *yaml.Node, into reflect.Value) {
	for _, m := range d.members(path, n) {
		field, ok := fieldByName(into, m.name)
		if !ok {
			d.unknown(path, m, into.Type())
			continue
		}
		d.places[join(path, m.name)] = d.at(m.key)
		d.value(join(path, m.name), m.value, field)
	}
}

// unknown refuses a field, naming the one that was probably meant. Rules about that one are left out: it is there.
func (d *decoder) unknown(path string, m member, in reflect.Type) {
	if len(d.problems) >= maxProblems {
		d.unshown++
		return
	}
	hint, meant := suggestField(path, m.name, in)
	if meant != "" {
		d.meant = append(d.meant, meant)
	}
	d.add(joinUnknown(path, m.name), m.key, "there is no such field", hint)
}

// list decodes a sequence into a slice. An empty one becomes nil, as it would after a round trip through JSON.
func (d *decoder) list(path string, n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(path, n, found(n)+" stands where a list is expected", listHint(n, into.Type().Elem()))
		return
	}
	if len(n.Content) == 0 {
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, into.Index(i))
	}
}

// listHint shows how the single value that was found is written as a list.
func listHint(n *yaml.Node, elem reflect.Type) string {
	if n.Kind != yaml.ScalarNode || elem.Kind() != reflect.String || len(n.Value) > maxQuoted {
		return "begin each item with \"- \""
	}
	var items []string
	for _, word := range strings.Fields(n.Value) {
		items = append(items, fmt.Sprintf("%q", word))
	}
	return "write [" + strings.Join(items, ", ") + "]"
}

// texts decodes a mapping of free names to text.
func (d *decoder) texts(path string, n *yaml.Node, into reflect.Value) {
	for _, m := range d.members(path, n) {
		value := reflect.New(into.Type().Elem()).Elem()
		d.value(joinUnknown(path, m.name), m.value, value)
		if into.IsNil() {
			into.Set(reflect.MakeMap(into.Type()))
		}
		into.SetMapIndex(reflect.ValueOf(m.name), value)
	}
}
