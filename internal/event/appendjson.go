package event

import (
	"encoding/base64"
	"unicode/utf8"
)

// AppendJSON appends e in the JSON event format and returns the extended slice. ParseJSON gives back the same attributes and
// the same bytes: data that a JSON value or string would not carry exactly (white space around JSON, bytes, another charset,
// no datacontenttype at all) is written as data_base64. e must be valid (Validate); all attributes are written as strings.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = append(dst, `{"specversion":"`+SpecVersion+`"`...)
	for _, a := range [...]struct{ name, value string }{
		{nameID, e.ID},
		{nameSource, e.Source},
		{nameType, e.Type},
		{nameSubject, e.Subject},
		{nameTime, e.Time},
		{nameDataSchema, e.DataSchema},
		{nameDataContentType, e.DataContentType},
	} {
		if a.value != "" {
			dst = appendMember(dst, a.name, a.value)
		}
	}
	for _, x := range e.Extensions {
		if isExtensionName(x.Name) {
			dst = appendMember(dst, x.Name, x.Value)
		}
	}
	return append(appendData(dst, e), '}')
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendText(dst, value)
}

func appendData(dst []byte, e *Event) []byte {
	json := declaresJSON(e.DataContentType)
	switch {
	case len(e.Data) == 0:
		return dst
	case json && isBareValue(e.Data):
		return append(append(dst, `,"data":`...), e.Data...)
	case !json && e.DataContentType != "" && utf8Charset(e.DataContentType) && utf8.Valid(e.Data):
		return appendText(append(dst, `,"data":`...), e.Data)
	default:
		dst = append(dst, `,"data_base64":"`...)
		return append(base64.StdEncoding.AppendEncode(dst, e.Data), '"')
	}
}

// isBareValue reports whether data is one JSON value, with nothing around it, that may stand inside an event of a batch.
func isBareValue(data []byte) bool {
	s := scanner{data: data}
	value, err := s.value(2)
	return err == nil && len(value) == len(data)
}

// appendText appends a JSON string.
func appendText[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c == 0x7F:
			dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&0xF])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
