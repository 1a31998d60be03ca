package function_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pelton-dev/pelton/internal/function"
)

const jsonManifest = `{"apiVersion": "pelton.dev/v1alpha1", "kind": "Function", "metadata": {"name": "f"},
 "spec": {"triggers": [{"event": {"subjects": ["events.a"]}}], "handler": {"command": ["run"]}}}`

// withDefaults is what the shortest manifest means.
func withDefaults() *function.Function {
	return &function.Function{
		APIVersion: function.APIVersion, Kind: function.Kind,
		Metadata: function.Metadata{Name: "f", Namespace: "default"},
		Spec: function.Spec{
			Triggers:    []function.Trigger{{Event: &function.EventTrigger{Stream: "EVENTS", Subjects: []string{"events.a"}}}},
			Handler:     function.Handler{Protocol: "cloudevents", Command: []string{"run"}, Listen: "tcp"},
			Concurrency: 8,
			Timeout:     function.Duration(30 * time.Second),
			Retry: function.Retry{
				MaxAttempts: 5, MinBackoff: function.Duration(time.Second), MaxBackoff: function.Duration(10 * time.Minute),
			},
			Scale:    function.Scale{MaxReplicas: 20, Cooldown: function.Duration(30 * time.Second)},
			OnDelete: function.OnDeleteKeep,
		},
	}
}

func ignoreOrigin() cmp.Option { return cmpopts.IgnoreFields(function.Function{}, "Origin") }

// parse reads a manifest that must be valid.
func parse(t *testing.T, text string) *function.Function {
	t.Helper()
	functions, problems := function.Parse([]byte(text), "dir/f.yaml")
	if len(problems) > 0 || len(functions) != 1 {
		t.Fatalf("%d functions, problems %v", len(functions), problems)
	}
	return functions[0]
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	bom, crlf := "\ufeff"+spec(), strings.ReplaceAll(spec(), "\n", "\r\n")
	for name, text := range map[string]string{
		"YAML": spec(), "BOM": bom, "CRLF": crlf, "both": "\ufeff" + crlf,
		"JSON": jsonManifest,
	} {
		if diff := cmp.Diff(withDefaults(), parse(t, text), ignoreOrigin()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDefaultsOfTriggersAndProtocols(t *testing.T) {
	t.Parallel()
	f := parse(t, head+"  handler: {protocol: exec, command: [run]}\n  triggers: [{schedule: {cron: '@daily'}}, {http: {path: /a}}]\n")
	want := []function.Trigger{
		{Schedule: &function.ScheduleTrigger{Cron: "@daily", TimeZone: "UTC"}},
		{HTTP: &function.HTTPTrigger{Path: "/a", Methods: []string{"POST"}, Mode: "async"}},
	}
	if diff := cmp.Diff(want, f.Spec.Triggers); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	if f.Spec.Concurrency != 4 || f.Spec.Handler.Listen != "" {
		t.Errorf("exec has concurrency %d and listen %q", f.Spec.Concurrency, f.Spec.Handler.Listen)
	}
}

func TestWrittenZeros(t *testing.T) {
	t.Parallel()
	f := parse(t, spec("retry: {minBackoff: 0s}", "scale: {cooldown: 0s}"))
	if f.Spec.Retry.MinBackoff != 0 || f.Spec.Scale.Cooldown != 0 {
		t.Errorf("zeros became %v and %v", f.Spec.Retry.MinBackoff, f.Spec.Scale.Cooldown)
	}
}

// TestMadeInGo is for functions that never were text.
func TestMadeInGo(t *testing.T) {
	t.Parallel()
	f := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	f.Metadata.Name = "f"
	f.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events.a"}}}}
	f.Spec.Handler.Command = []string{"run"}
	if problems := f.Validate(); len(problems) == 0 {
		t.Error("a function without defaults is valid")
	}
	f.SetDefaults()
	if problems := f.Validate(); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	if diff := cmp.Diff(withDefaults(), f); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	f.Spec.Scale.MinReplicas = 21
	want := []function.Problem{{
		Path: "spec.scale.minReplicas", Message: "21 is more than maxReplicas 20",
		Hint: "write a number from 0 to 20, or raise maxReplicas",
	}}
	if diff := cmp.Diff(want, f.Validate()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestOriginAndPlace(t *testing.T) {
	t.Parallel()
	second := strings.Replace(spec(), "name: f", "name: g", 1)
	functions, problems := function.Parse([]byte("# one\n"+spec()+"---\n# two\n\n"+second), "dir/f.yaml")
	if len(problems) > 0 || len(functions) != 2 {
		t.Fatalf("%d functions, problems %v", len(functions), problems)
	}
	dir, err := filepath.Abs("dir")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range []int{2, 11} {
		if got, want := functions[i].Origin, (function.Origin{File: "dir/f.yaml", Line: line, Dir: dir}); got != want {
			t.Errorf("function %d comes from %+v, want %+v", i, got, want)
		}
	}
	_, problems = function.Parse([]byte("---\n"+spec("scale: {minReplicas: 5, maxReplicas: 3}")), "f.yaml")
	const want = "f.yaml:8:24: spec.scale.minReplicas: 5 is more than maxReplicas 3 (write a number from 0 to 3, or raise maxReplicas)"
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("problems %v", problems)
	}
}

func TestDurationJSON(t *testing.T) {
	t.Parallel()
	var d function.Duration
	if err := json.Unmarshal([]byte(`"1h30m"`), &d); err != nil || time.Duration(d) != 90*time.Minute {
		t.Errorf("read %v, error %v", d, err)
	}
	for _, text := range []string{"10", `"10"`, `"soon"`, "null"} {
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s is read as %v", text, d)
		}
	}
}

func TestProblemString(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]function.Problem{
		"m":                 {Message: "m"},
		"f: m (h)":          {File: "f", Message: "m", Hint: "h"},
		"f:3: m":            {File: "f", Line: 3, Message: "m"},
		"f:3:4: a.b: m (h)": {File: "f", Line: 3, Column: 4, Path: "a.b", Message: "m", Hint: "h"},
		"a.b: m":            {Path: "a.b", Message: "m"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	invalid := &function.Invalid{Problems: []function.Problem{{Message: "a"}, {Message: "b"}}}
	if invalid.Error() != "a\nb" {
		t.Errorf("Error() = %q", invalid.Error())
	}
}

func TestScheduleData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"null":                      "null",
		"~":                         "null",
		"nightly":                   `"nightly"`,
		`"no"`:                      `"no"`,
		"2020-01-01":                `"2020-01-01"`,
		"True":                      "true",
		"12345678901234567890.10":   "12345678901234567890.10",
		"1e300":                     "1e300",
		"{b: [1, {}], a: <&>, c: }": `{"b":[1,{}],"a":"\u003c\u0026\u003e","c":null}`,
		"&x {a: 1}":                 `{"a":1}`,
	} {
		f := parse(t, trigger("{schedule: {cron: '@daily', data: "+text+"}}"))
		if got := string(f.Spec.Triggers[0].Schedule.Data); got != want {
			t.Errorf("data %s is %s, want %s", text, got, want)
		}
	}
	if f := parse(t, trigger("{schedule: {cron: '@daily'}}")); f.Spec.Triggers[0].Schedule.Data != nil {
		t.Error("absent data is not nil")
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	f := parse(t, spec("retry: {minBackoff: &b 2s, maxBackoff: *b}", "resources: {requests: &r {cpu: 100m}, limits: *r}"))
	if f.Spec.Retry.MaxBackoff != f.Spec.Retry.MinBackoff || f.Spec.Resources.Limits["cpu"] != "100m" {
		t.Errorf("aliases gave %+v and %+v", f.Spec.Retry, f.Spec.Resources)
	}
}

// bomb is n levels of nested aliases, each nine times the one before.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("[&a0 [x, x, x, x, x, x, x, x, x]")
	for i := range n {
		fmt.Fprintf(&b, ", &a%d [%s]", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	return b.String() + "]"
}

func TestAliasBombs(t *testing.T) {
	t.Parallel()
	manyKeys := strings.Repeat("k", 60_000)
	for name, text := range map[string]string{
		"in data":        trigger("{schedule: {cron: '@daily', data: " + bomb(12) + "}}"),
		"endless":        trigger("{schedule: {cron: '@daily', data: &a [*a, *a]}}"),
		"long keys":      trigger("{schedule: {cron: '@daily', data: [&a {? " + manyKeys + " : 1}, *a, *a]}}"),
		"long texts":     trigger("{schedule: {cron: '@daily', data: [&a " + manyKeys + ", *a, *a]}}"),
		"unknown fields": handlerOf("command: [run], env: [&a {" + manyFields(1000) + "}" + strings.Repeat(", *a", 1000) + "]"),
	} {
		functions, problems := function.Parse([]byte(text), "f.yaml")
		about := 0
		for _, p := range problems {
			if strings.HasPrefix(p.Message, "aliases in this document expand to more than 65536 bytes") {
				about++
			}
			if p.File != "f.yaml" || p.Line == 0 {
				t.Errorf("%s: no place in %s", name, p)
			}
		}
		if functions != nil || about != 1 && name != "unknown fields" || len(problems) > 1001 {
			t.Errorf("%s: %d functions, %d problems, %d of them about aliases", name, len(functions), len(problems), about)
		}
	}
}

func manyFields(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf("f%d: 1", i)
	}
	return strings.Join(fields, ",")
}

func TestManyProblemsAreCounted(t *testing.T) {
	t.Parallel()
	_, problems := function.Parse([]byte(spec(strings.Split(manyFields(1500), ",")...)), "f.yaml")
	if len(problems) != 1001 || !strings.Contains(problems[1000].String(), ": 500 further problems are not shown") {
		t.Errorf("%d problems, the last is %v", len(problems), problems[1000])
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sample": string(sample),
		"least":  spec(),
		"zeros":  spec("retry: {minBackoff: 0s, maxBackoff: 0s}", "scale: {cooldown: 0s, target: {backlog: 3}}", "resources: {}"),
		"empty":  handlerOf("command: [run], env: [], build: []") + "  resources: {requests: {}}\n",
		"text":   handlerOf(`command: [run, "\x7f\x85\u2028\U0001F600<é", ""], env: [{name: A, value: ""}]`),
		"data":   trigger(`{schedule: {cron: "@daily", data: {"<\x7f": [1e300, "\u2029", null, 100000000000000000000]}}}`),
		"labels": strings.Replace(spec(), "name: f", `name: f, labels: {"a.b/c": "1", "d": ""}, annotations: {}`, 1),
	} {
		f := parse(t, text)
		checkRoundTrip(t, name, f)
	}
}

func checkRoundTrip(t *testing.T, name string, f *function.Function) {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	again, problems := function.ParseJSON(text)
	if len(problems) > 0 {
		t.Fatalf("%s: %s has problems %v", name, text, problems)
	}
	if diff := cmp.Diff(f, again, ignoreOrigin()); diff != "" {
		t.Errorf("%s (-before +after):\n%s", name, diff)
	}
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	_, problems := function.ParseJSON([]byte(spec() + "---\n" + strings.Replace(spec(), "name: f", "name: g", 1)))
	if len(problems) != 1 || problems[0].Message != "the text holds 2 functions instead of one" {
		t.Errorf("problems %v", problems)
	}
	_, problems = function.ParseJSON([]byte(strings.Replace(jsonManifest, `"run"`, `"run", 1`, 1)))
	if len(problems) != 1 || problems[0].Line != 2 || problems[0].Path != "spec.handler.command[1]" {
		t.Errorf("problems %v", problems)
	}
	f, problems := function.ParseJSON([]byte(strings.Replace(jsonManifest, `"run"`, `"\ud83d\ude00\/"`, 1)))
	if len(problems) > 0 || f.Spec.Handler.Command[0] != "😀/" {
		t.Errorf("problems %v", problems)
	}
}
