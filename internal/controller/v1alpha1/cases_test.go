package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// manifestCase is a manifest about which validator and apiserver must agree, but for two kinds of exceptions.
type manifestCase struct {
	name string
	text []byte

	// beyond says why no resource definition can refuse what the validator refuses. The controller says Accepted=False.
	beyond string
	// beyondPerhaps is for manifests that are made at random: if the validator refuses them, the definition need not.
	beyondPerhaps bool

	// stored says what an apiserver makes of what the validator refuses: something that it takes.
	stored string
}

// fullText has every field that manifests of this version may have.
const fullText = `{
  "apiVersion": "pelton.dev/v1alpha1", "kind": "Function",
  "metadata": {"name": "thumbnail", "labels": {"team": "pictures"}, "annotations": {"contact": "someone"}},
  "spec": {
    "triggers": [
      {"event": {"stream": "EVENTS", "subjects": ["events.image.uploaded", "events.image.*.replaced"], "filter": "data.bytes > 1024"}},
      {"schedule": {"cron": "30 3 * * MON-FRI", "timeZone": "Europe/Oslo", "data": {"mode": "nightly"}}},
      {"http": {"path": "/thumbnails", "methods": ["POST", "PUT"], "mode": "async", "callbacks": {
        "allow": ["https://hooks.example.com/*"], "secretFrom": [{"secretKeyRef": {"name": "callbacks", "key": "signing"}}]
      }}},
      {"http": {"path": "/hooks/github", "methods": ["POST"], "mode": "async", "webhook": {"scheme": "github", "secretFrom": [
        {"secretKeyRef": {"name": "github", "key": "webhook"}}, {"secretKeyRef": {"name": "github", "key": "previous", "optional": true}}
      ]}}}
    ],
    "handler": {
      "protocol": "cloudevents", "command": ["./thumbnail", "-v"], "build": ["go", "build"], "image": "example.com/thumbnail:1.4",
      "port": 8080, "listen": "tcp", "env": [{"name": "BUCKET", "value": "thumbs"}, {"name": "LEVEL"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token", "optional": true}}},
        {"name": "QUALITY", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "quality"}}}
      ],
      "mounts": [{"path": "/etc/tls", "secret": "shop-tls"}, {"path": "/etc/shop", "configMap": "shop", "optional": true}]
    },
    "concurrency": 8, "timeout": "30s",
    "retry": {"maxAttempts": 5, "minBackoff": "1s", "maxBackoff": "10m", "maxAge": "6h"},
    "batch": {"maxEvents": 100, "maxWait": "1s"},
    "reply": {"subject": "events.image.thumbnailed"},
    "scale": {"minReplicas": 0, "maxReplicas": 20, "target": {"drain": "10s"}, "cooldown": "30s"},
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "onDelete": "keep"
  }
}`

func full(t *testing.T) map[string]any {
	t.Helper()
	var manifest map[string]any
	if err := json.Unmarshal([]byte(fullText), &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest
}

// absent stands for a field that is not there.
type absent struct{}

// change is a value at a place: "spec.triggers.0.event.stream".
type change struct {
	path  string
	value any
}

func encode(t *testing.T, manifest map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// caseOf is the full manifest with changes.
func caseOf(t *testing.T, name string, changes ...change) manifestCase {
	t.Helper()
	manifest := full(t)
	for _, c := range changes {
		set(manifest, strings.Split(c.path, "."), c.value)
	}
	return manifestCase{name: name, text: encode(t, manifest)}
}

// set puts a value where path says, in objects and lists, and makes objects that are missing.
func set(in any, path []string, value any) {
	key, rest := path[0], path[1:]
	switch in := in.(type) {
	case map[string]any:
		switch _, delete := value.(absent); {
		case len(rest) > 0 && in[key] == nil:
			in[key] = map[string]any{}
			fallthrough
		case len(rest) > 0:
			set(in[key], rest, value)
		case delete:
			maps.DeleteFunc(in, func(k string, _ any) bool { return k == key })
		default:
			in[key] = value
		}
	case []any:
		i, err := strconv.Atoi(key)
		if err != nil || i >= len(in) {
			panic("no such item: " + key)
		}
		if len(rest) == 0 {
			in[i] = value
			return
		}
		set(in[i], rest, value)
	default:
		panic(fmt.Sprintf("%s is in %T", key, in))
	}
}

// places lists the paths of all that is in a value, itself left out.
func places(in any, path string) (found []string) {
	each := func(key string, value any) {
		at := strings.TrimPrefix(path+"."+key, ".")
		found = append(append(found, at), places(value, at)...)
	}
	switch in := in.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(in)) {
			each(key, in[key])
		}
	case []any:
		for i, item := range in {
			each(strconv.Itoa(i), item)
		}
	}
	return found
}

// free are places that may hold anything.
func isFree(path string) bool { return strings.HasPrefix(path, "spec.triggers.1.schedule.data") }

// kindCases puts at each place of a manifest what does not belong there: values of other kinds, nothing, and unknown fields.
func kindCases(t *testing.T) (cases []manifestCase) {
	t.Helper()
	values := map[string]any{
		"text": "text", "empty text": "", "number": 3, "fraction": 1.5, "truth": true, "list": []any{}, "list of a list": []any{[]any{}},
		"list of text": []any{"a"}, "object": map[string]any{}, "object of text": map[string]any{"a": "b"}, "absent": absent{},
	}
	for _, path := range places(full(t), "") {
		for _, kind := range slices.Sorted(maps.Keys(values)) {
			if path == "spec.triggers.1.schedule.timeZone" && kind == "text" {
				continue // it could be a zone
			}
			if _, item := strconv.Atoi(path[strings.LastIndexByte(path, '.')+1:]); item == nil && kind == "absent" {
				continue // lists have no gaps
			}
			cases = append(cases, caseOf(t, path+" is "+kind, change{path, values[kind]}))
		}
		c := caseOf(t, path+" is null", change{path, nil})
		if !isFree(path) && strings.Contains(path, ".") && !required(path) {
			c.stored = "null is no field to an apiserver"
		}
		cases = append(cases, c)
		if object, ok := at(full(t), strings.Split(path, ".")).(map[string]any); ok && !isFree(path) && object != nil {
			cases = append(cases, caseOf(t, path+" has an unknown field", change{path + ".unknown", 1}))
		}
	}
	return cases
}

// required are fields that must be there, and items of lists, so that null is refused.
func required(path string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	_, notItem := strconv.Atoi(last)
	return notItem == nil || slices.Contains([]string{
		"triggers", "handler", "subjects", "cron", "path", "name", "subject", "event", "schedule", "http",
		"key", "secretKeyRef", "configMapKeyRef", "secret", "configMap", "maxEvents", "scheme", "secretFrom", "allow",
	}, last)
}

func at(in any, path []string) any {
	if len(path) == 0 {
		return in
	}
	switch in := in.(type) {
	case map[string]any:
		return at(in[path[0]], path[1:])
	case []any:
		i, _ := strconv.Atoi(path[0])
		return at(in[i], path[1:])
	}
	return nil
}
