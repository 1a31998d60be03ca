package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// number decodes a plain decimal integer.
func (d *decoder) number(path string, n *yaml.Node, into reflect.Value) {
	value, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int":
		d.refuse(path, n, found(n)+" stands where a whole number is expected", numberHint(n))
	case err != nil || strconv.Itoa(value) != n.Value:
		d.refuse(path, n, found(n)+" is not a plain whole number", "write digits only, such as 8")
	default:
		into.SetInt(int64(value))
	}
}

func numberHint(n *yaml.Node) string {
	if _, err := strconv.Atoi(n.Value); err == nil && n.Kind == yaml.ScalarNode {
		return "write " + n.Value + " without quotes"
	}
	return "write digits only, such as 8"
}

// truth decodes true or false. YAML 1.1's other words for them are text here.
func (d *decoder) truth(path string, n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		d.refuse(path, n, found(n)+" stands where true or false is expected", "write true or false")
		return
	}
	into.SetBool(strings.EqualFold(n.Value, "true"))
}

// text decodes a string, and refuses what only looks like one.
func (d *decoder) text(path string, n *yaml.Node, into reflect.Value) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.refuse(path, n, found(n)+" stands where text is expected", "write one value")
	case n.ShortTag() != "!!str":
		hint := fmt.Sprintf("write it in quotes: %q", cut(n.Value))
		if strings.HasSuffix(path, ".maxBody") {
			hint = maxBodyHint
		}
		d.refuse(path, n, found(n)+" stands where text is expected", hint)
	case isTruthWord(n):
		d.refuse(path, n, cut(n.Value)+" without quotes is text to some YAML readers and true or false to others",
			fmt.Sprintf("write it in quotes: %q", n.Value))
	default:
		into.SetString(n.Value)
	}
}

// isTruthWord finds the words that YAML 1.1, and so kubectl, takes for true or false.
func isTruthWord(n *yaml.Node) bool {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false
	}
	switch strings.ToLower(n.Value) {
	case "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

// maxDuration bounds the text of a duration, in characters.
const maxDuration = 100

// duration decodes "30s". Bounds are Validate's business.
func (d *decoder) duration(path string, n *yaml.Node, into reflect.Value) {
	value, err := time.ParseDuration(n.Value)
	_, bare := strconv.ParseFloat(n.Value, 64)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.refuse(path, n, found(n)+" stands where a duration is expected", "write a number and a unit, such as 30s")
	case bare == nil:
		hint := fmt.Sprintf("write %ss for seconds, or use ms, m or h", cut(n.Value))
		d.refuse(path, n, found(n)+" is a duration without a unit", hint)
	case n.ShortTag() != "!!str" || err != nil || utf8.RuneCountInString(n.Value) > maxDuration:
		d.refuse(path, n, found(n)+" is not a duration", "write a number and a unit out of ms, s, m and h, such as 30s or 1h30m")
	default:
		into.SetInt(int64(value))
	}
}

// Bounds for free JSON data in a manifest.
const (
	maxData      = 512 << 10 // leaves room for headers in a message of 1 MiB
	maxDataDepth = 100
)

// data decodes any value into JSON.
func (d *decoder) data(path string, n *yaml.Node, into reflect.Value) {
	var b bytes.Buffer
	if !d.appendJSON(&b, path, n, 0) {
		return
	}
	if b.Len() > maxData {
		message := fmt.Sprintf("the data has %d bytes as JSON, more than %d", b.Len(), maxData)
		d.refuse(path, n, message, "send a reference to the data instead")
		return
	}
	into.SetBytes(b.Bytes())
}

// appendJSON writes n as compact JSON, as json.Marshal would write it again. It reports false after recording a problem.
func (d *decoder) appendJSON(b *bytes.Buffer, path string, n *yaml.Node, depth int) bool {
	n, done, ok := d.follow(path, n)
	if !ok {
		return false
	}
	defer done()
	switch {
	case depth > maxDataDepth:
		d.refuseDepth(path, n)
		return false
	case n.Kind == yaml.MappingNode:
		return d.appendObject(b, path, n, depth)
	case n.Kind == yaml.SequenceNode:
		return d.appendList(b, path, n, depth)
	}
	return d.appendScalar(b, path, n)
}

// refuseDepth says once that a document is too deep: where aliases nest, each of a thousand branches would be.
func (d *decoder) refuseDepth(path string, n *yaml.Node) {
	if d.tooDeep {
		return
	}
	d.tooDeep = true
	message := fmt.Sprintf("the data is nested more than %d levels deep", maxDataDepth)
	d.refuse(cut(path), n, message, "make it flatter")
}

func (d *decoder) appendObject(b *bytes.Buffer, path string, n *yaml.Node, depth int) bool {
	before := len(d.problems)
	b.WriteByte('{')
	ok := true
	for i, m := range d.members(path, n) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(m.name))
		b.WriteByte(':')
		ok = d.appendJSON(b, joinUnknown(path, m.name), m.value, depth+1) && ok
	}
	b.WriteByte('}')
	return ok && len(d.problems) == before
}

func (d *decoder) appendList(b *bytes.Buffer, path string, n *yaml.Node, depth int) bool {
	b.WriteByte('[')
	ok := true
	for i, item := range n.Content {
		if i > 0 {
			b.WriteByte(',')
		}
		ok = d.appendJSON(b, fmt.Sprintf("%s[%d]", path, i), item, depth+1) && ok
	}
	b.WriteByte(']')
	return ok
}

func (d *decoder) appendScalar(b *bytes.Buffer, path string, n *yaml.Node) bool {
	switch tag := n.ShortTag(); {
	case isNumber(n) && isTooLarge(n.Value):
		d.refuse(path, n, "the number "+cut(n.Value)+" is larger than numbers of JSON can be", "put it in quotes")
		return false
	case isNumber(n):
		b.WriteString(n.Value) // as it was written: whole numbers of any length keep their digits
	case isTruthWord(n):
		d.refuse(path, n, cut(n.Value)+" without quotes is text to some YAML readers and true or false to others",
			fmt.Sprintf("write true or false, or %q", n.Value))
		return false
	case tag == "!!str" || tag == "!!timestamp":
		b.Write(jsonText(n.Value))
	case tag == "!!null":
		b.WriteString("null")
	case tag == "!!bool":
		b.WriteString(strings.ToLower(n.Value))
	default:
		d.refuse(path, n, found(n)+" cannot be written as JSON", "write a plain decimal number, or put it in quotes")
		return false
	}
	return true
}

// isNumber finds the plain values that JSON would read as numbers, also those too large for the YAML library.
func isNumber(n *yaml.Node) bool {
	return n.Style == 0 && n.Value != "" && strings.ContainsAny(n.Value[:1], "-0123456789") && json.Valid([]byte(n.Value))
}

// isTooLarge finds numbers that no common reader of JSON, an apiserver for one, has room for.
func isTooLarge(number string) bool {
	_, err := strconv.ParseFloat(number, 64)
	return err != nil
}

// jsonText quotes s as json.Marshal does; strings cannot fail.
func jsonText(s string) []byte {
	text, _ := json.Marshal(s)
	return text
}
