package event

import (
	"fmt"
	"strings"
)

// cloudEventsType begins every media type of a structured or batched event.
const cloudEventsType = "application/cloudevents"

func isCloudEventsType(contentType string) bool { return hasPrefixFold(contentType, cloudEventsType) }

// check applies the rules of one attribute. The code is "" when the value is valid.
func check(a attribute, name, value string) (code, detail string) {
	if len(value) > MaxValue {
		return CodeAttributeTooLong, fmt.Sprintf("%s has %d bytes: at most %d", name, len(value), MaxValue)
	}
	if fault := textFault(value); fault != "" {
		return invalid(name, value, fault+": want valid UTF-8 without control characters and non-characters")
	}
	if value == "" && a != attrExtension {
		return empty(a, name)
	}
	switch a {
	case attrSpecVersion:
		if value != SpecVersion {
			return CodeUnsupportedSpecVersion, fmt.Sprintf("specversion is %s: want %q", quote(value), SpecVersion)
		}
	case attrID, attrType:
		if strings.TrimSpace(value) == "" {
			return invalid(name, value, "is blank: want at least one visible character")
		}
	case attrSource:
		if !validURI(value, false) {
			return invalid(name, value, "is not a URI-reference (RFC 3986): want for example /orders or https://example.com/orders")
		}
	case attrDataSchema:
		if !validURI(value, true) {
			return invalid(name, value, "is not an absolute URI (RFC 3986): want for example https://example.com/schema")
		}
	case attrTime:
		if !validTime(value) {
			return invalid(name, value, "is not an RFC 3339 time: want for example 2026-01-02T15:04:05Z")
		}
	case attrDataContentType:
		return checkContentType(name, value)
	}
	return "", ""
}

func empty(a attribute, name string) (code, detail string) {
	switch a {
	case attrSpecVersion:
		return CodeUnsupportedSpecVersion, fmt.Sprintf("specversion is empty: want %q", SpecVersion)
	case attrID, attrSource, attrType:
		return CodeMissingAttribute, name + " is empty: every CloudEvent needs it"
	}
	return CodeInvalidAttribute, name + " is empty: give it a value or leave it out"
}

func checkContentType(name, value string) (code, detail string) {
	if !validMediaType(value) {
		return invalid(name, value, "is not a media type: want for example application/json")
	}
	if isCloudEventsType(value) {
		return invalid(name, value, "names an event format, which cannot travel in binary mode: want the type of the data inside")
	}
	return "", ""
}

func invalid(name, value, fault string) (code, detail string) {
	return CodeInvalidAttribute, fmt.Sprintf("%s %s %s", name, quote(value), fault)
}
