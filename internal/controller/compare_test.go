package controller

import "testing"

// TestDifference compares what is wanted with what an apiserver makes of it.
func TestDifference(t *testing.T) {
	t.Parallel()
	type fields = map[string]any
	for name, c := range map[string]struct {
		want, have any
		at         string
	}{
		"same":               {fields{"a": int64(1)}, fields{"a": int64(1)}, ""},
		"defaults":           {fields{"a": "x"}, fields{"a": "x", "b": "default"}, ""},
		"number as float":    {fields{"a": int64(1)}, fields{"a": 1.0}, ""},
		"other number":       {fields{"a": int64(1)}, fields{"a": int64(2)}, ".a"},
		"missing":            {fields{"a": fields{"b": true}}, fields{"a": fields{}}, ".a.b"},
		"nothing is wanted":  {fields{"a": nil, "b": fields{}, "c": []any{}}, fields{}, ""},
		"empty volume":       {fields{"emptyDir": fields{}}, fields{"emptyDir": fields{"medium": ""}}, ""},
		"amount":             {fields{"cpu": "0.1"}, fields{"cpu": "100m"}, ""},
		"other amount":       {fields{"cpu": "0.2"}, fields{"cpu": "100m"}, ".cpu"},
		"other type":         {fields{"a": "1"}, fields{"a": int64(1)}, ".a"},
		"list":               {[]any{"a", "b"}, []any{"a", "b"}, ""},
		"longer list":        {[]any{"a"}, []any{"a", "b"}, "[0]"},
		"shorter list":       {[]any{"a", "b"}, []any{"a"}, "[0]"},
		"list is gone":       {fields{"a": []any{"x"}}, fields{}, ".a"},
		"item of another":    {[]any{fields{"name": "a"}}, []any{fields{"name": "b"}, fields{"name": "a", "x": true}}, ""},
		"item is gone":       {[]any{fields{"name": "a"}}, []any{fields{"name": "b"}}, "[0]"},
		"item has changed":   {[]any{fields{"name": "a", "v": "1"}}, []any{fields{"name": "a", "v": "2"}}, "[0].v"},
		"names are not keys": {[]any{fields{"name": "a"}, fields{"name": "a"}}, []any{fields{"name": "a"}, fields{"name": "a"}}, ""},
		"rules":              {[]any{fields{"port": int64(53)}}, []any{fields{"port": int64(54)}}, "[0].port"},
	} {
		if at := difference("", c.want, c.have); at != c.at {
			t.Errorf("%s: difference at %q, want %q", name, at, c.at)
		}
	}
}
