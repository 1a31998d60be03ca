package controller

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// difference returns where an object is not as it is wanted, or "". What is not wanted explicitly may be there: the apiserver
// fills in defaults, and others own fields. So fields that are not wanted any more are not found; the hash that an object
// carries of what was applied last tells those.
func difference(path string, want, have any) string {
	switch want := want.(type) {
	case nil:
		return ""
	case map[string]any:
		return mapDifference(path, want, have)
	case []any:
		return listDifference(path, want, have)
	case string:
		if have, ok := have.(string); ok && (want == have || sameAmount(want, have)) {
			return ""
		}
		return path
	}
	if number, ok := asFloat(want); ok {
		if other, ok := asFloat(have); ok && number == other {
			return ""
		}
		return path
	}
	if want != have {
		return path
	}
	return ""
}

func mapDifference(path string, want map[string]any, have any) string {
	fields, ok := have.(map[string]any)
	if !ok && (have != nil || len(want) > 0) {
		return path
	}
	for name, value := range want {
		got, there := fields[name]
		if !there && isNothing(value) {
			continue
		}
		if at := difference(path+"."+name, value, got); at != "" {
			return at
		}
	}
	return ""
}

// isNothing finds what the apiserver does not keep.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// listDifference finds items by their name, if they have one, as others may have added some of their own.
func listDifference(path string, want []any, have any) string {
	items, ok := have.([]any)
	if !ok && (have != nil || len(want) > 0) {
		return path
	}
	named := byName(items)
	for i, item := range want {
		at := fmt.Sprintf("%s[%d]", path, i)
		var got any
		if name, ok := nameOf(item); ok && named != nil {
			got = named[name]
		} else if i < len(items) && len(items) == len(want) {
			got = items[i]
		}
		if got == nil {
			return at
		}
		if at := difference(at, item, got); at != "" {
			return at
		}
	}
	return ""
}

// byName returns nil for a list in which not every item has a name of its own.
func byName(items []any) map[string]any {
	named := make(map[string]any, len(items))
	for _, item := range items {
		name, ok := nameOf(item)
		if !ok || named[name] != nil {
			return nil
		}
		named[name] = item
	}
	return named
}

func nameOf(item any) (string, bool) {
	fields, _ := item.(map[string]any)
	name, ok := fields["name"].(string)
	return name, ok
}

// sameAmount compares amounts that are written differently, as the apiserver writes them its own way.
func sameAmount(a, b string) bool {
	if a == "" || b == "" || len(a) > 32 || len(b) > 32 {
		return false
	}
	x, errX := resource.ParseQuantity(a)
	y, errY := resource.ParseQuantity(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
