package function_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/function"
)

// The lines that every manifest of these tests begins with: the spec's fields start on line 5, and what a test adds to a
// spec with a trigger and a handler starts on line 7.
const (
	head     = "apiVersion: pelton.dev/v1alpha1\nkind: Function\nmetadata: {name: f}\nspec:\n"
	triggers = "  triggers: [{event: {subjects: [events.a]}}]\n"
	handler  = "  handler: {command: [run]}\n"
)

// spec makes a manifest that is valid but for the given lines, which are indented by two.
func spec(lines ...string) string { return head + triggers + handler + indent(lines) }

func indent(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "  " + strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\n  ") + "\n"
}

// trigger makes a manifest with one trigger on line 6.
func trigger(text string) string { return head + handler + "  triggers: [" + text + "]\n" }

// handlerOf makes a manifest whose handler has the given fields on line 6.
func handlerOf(text string) string { return head + triggers + "  handler: {" + text + "}\n" }

// problemTest is a manifest and the beginnings of its problems, in order, columns left out.
type problemTest struct {
	name, text string
	want       []string
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tests := range map[string][]problemTest{
		"text":     textProblems(),
		"fields":   fieldProblems(),
		"types":    typeProblems(),
		"triggers": triggerProblems(),
		"schedule": scheduleProblems(),
		"http":     httpProblems(),
		"webhook":  webhookProblems(),
		"callback": callbackProblems(),
		"handler":  handlerProblems(),
		"delivery": deliveryProblems(),
		"set":      setProblems(),
		"labels":   labelProblems(),
	} {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				checkProblems(t, tt)
			})
		}
	}
}

var columns = regexp.MustCompile(`(f\.yaml:\d+):\d+`)

func checkProblems(t *testing.T, tt problemTest) {
	t.Helper()
	functions, problems := function.Parse([]byte(tt.text), "f.yaml")
	if (functions == nil) == (problems == nil) {
		t.Fatalf("%d functions and %d problems at once", len(functions), len(problems))
	}
	var got []string
	for i, p := range problems {
		line := strings.TrimPrefix(columns.ReplaceAllString(p.String(), "$1"), "f.yaml:")
		if i < len(tt.want) && strings.HasPrefix(line, tt.want[i]) {
			line = tt.want[i]
		}
		got = append(got, line)
		if p.Hint == "" && !strings.Contains(p.Message, "not YAML") {
			t.Errorf("no hint in %s", p)
		}
	}
	if diff := cmp.Diff(tt.want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func textProblems() []problemTest {
	good := spec()
	return []problemTest{
		{"empty file", "", []string{" the file holds no manifest"}},
		{"only comments", "# nothing\n---\n# here\n", []string{" the file holds no manifest"}},
		{"not YAML", "a: [1,\n", []string{"2: the text is not YAML: did not find expected node content"}},
		{"unclosed quote", good + "  x: \"a\n", []string{"7: the text is not YAML: found unexpected end of stream"}},
		{
			"colon in text", head + triggers + handler + "  x: a: b\n",
			[]string{"7: the text is not YAML: mapping values are not allowed in this context (indent by two spaces"},
		},
		{"tab", head + "\ttriggers: []\n", []string{"5: the line is indented with a tab (use spaces)"}},
		{"undefined alias", spec("timeout: *t"), []string{"1: the text is not YAML: unknown anchor 't' referenced"}},
		{"bad directive", "%YAML 9.9\n", []string{"1: the text is not YAML"}},
		{
			"document end without start", good + "...\na: 1\n",
			[]string{"8: the text is not YAML: did not find expected <document start>"},
		},
		{"NUL", good + "# \x00\n", []string{"7: the control character U+0000 is not allowed"}},
		{"escape", good + "# \x1b[31m\n", []string{"7: the control character U+001B is not allowed"}},
		{"DEL", good + "# \x7f\n", []string{"7: the control character U+007F is not allowed"}},
		{"BOM in the middle", good + "# \ufeff\n", []string{"7: the control character U+FEFF is not allowed"}},
		{"old Mac line ends", strings.ReplaceAll(good, "\n", "\r"), []string{"1: a carriage return has no line feed after it"}},
		{"invalid UTF-8", good + "# \xff\n", []string{"7: the text is not valid UTF-8"}},
		{"UTF-16", "\xff\xfea\x00", []string{"1: the text is UTF-16 (save the file as UTF-8)"}},
		{
			"too large", good + strings.Repeat("# comment\n", 105_000),
			[]string{" the file has 1050147 bytes, more than the 1048576 a manifest may have"},
		},
		{"a text", "hello\n", []string{"1: the text \"hello\" stands where fields are expected"}},
		{"a list", "- a\n", []string{"1: a list stands where fields are expected"}},
		{"a number in JSON's place", "42", []string{"1: the number 42 stands where fields are expected"}},
		{"too many documents", strings.Repeat("---\na: 1\n", 1001), []string{" the file has 1002 documents, more than 1000"}},
		{
			"each document", "a: [\n---\n\tb: 1\n---\n- c\n---\n" + strings.Replace(good, "pelton.dev/v1alpha1", "v1", 1),
			[]string{
				"2: the text is not YAML: did not find expected node content", "3: the line is indented with a tab",
				"5: a list stands where fields are expected", `7: apiVersion: "v1" is not served (write pelton.dev/v1alpha1`,
			},
		},
	}
}

func fieldProblems() []problemTest {
	return []problemTest{
		{"nothing", "{}", []string{
			`1: apiVersion: it is missing (write pelton.dev/v1alpha1, the only version served)`,
			"1: kind: it is missing (write Function",
			"1: metadata.name: it is missing", "1: spec.triggers: there is no trigger",
			"1: spec.handler: it has neither command nor image (write command: [python3, handler.py])",
		}},
		{
			"other kind", "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 1}\n",
			[]string{`2: kind: "Deployment" is not a kind of this program (write Function, the only kind served)`},
		},
		{"misspelt kind", strings.Replace(spec("timeuot: 1s"), "Function", "function", 1), []string{
			`2: kind: "function" is not a kind`, "7: spec.timeuot: there is no such field (did you mean timeout?)",
		}},
		{
			"unknown version", strings.Replace(spec(), "v1alpha1", "v2", 1),
			[]string{`1: apiVersion: "pelton.dev/v2" is not served (write pelton.dev/v1alpha1, the only version served)`},
		},
		{"upper case", spec("Timeout: 1s"), []string{"7: spec.Timeout: there is no such field (did you mean timeout?)"}},
		{
			"wrong place", spec("maxReplicas: 3"),
			[]string{"7: spec.maxReplicas: there is no such field (it belongs at spec.scale.maxReplicas)"},
		},
		{
			"nothing like it", spec("scale: {zzzzzz: 1}"),
			[]string{"7: spec.scale.zzzzzz: there is no such field (the fields here are minReplicas, maxReplicas, target, cooldown)"},
		},
		{"strange name", spec(`"a\e[31m.b": 1`), []string{`7: spec."a\x1b[31m.b": there is no such field`}},
		{"misspelt requirements", head + "  triger: []\n  handler: {comand: [x]}\n", []string{
			"5: spec.triger: there is no such field (did you mean triggers?)",
			"6: spec.handler.comand: there is no such field (did you mean command?)",
		}},
		{
			"duplicate key", spec("timeout: 1s", "concurrency: 2", "timeout: 0s"),
			[]string{"9: spec.timeout: it is written twice, on lines 7 and 9 (keep one of them)"},
		},
		{
			"duplicate key in JSON", "{\"kind\": \"Function\",\n\"kind\": \"Function\",\n" + strings.TrimPrefix(jsonManifest, "{"),
			[]string{"2: kind: it is written twice, on lines 1 and 2", "3: kind: it is written twice, on lines 1 and 3"},
		},
		{"merge key", "x: &x {timeout: 1s}\n" + spec("<<: *x"), []string{
			"1: x: there is no such field", "8: spec: merge keys (<<) are not supported (write the fields out)",
		}},
		{"number as key", spec("1: a"), []string{"7: spec: the number 1 is not a field name"}},
		{"list as key", spec("? [a]\n: b"), []string{"7: spec: a list is not a field name"}},
		{"no value", spec("timeout:", "scale: ~"), []string{
			"7: spec.timeout: it has no value (write one, or delete the line)", "8: spec.scale: it has no value",
		}},
		{"name", strings.Replace(spec(), "name: f", "name: a..b, namespace: Shop", 1), []string{
			`3: metadata.name: "a..b" is not a function name (write at most 50 of a-z, 0-9 and -`, `3: metadata.namespace: "Shop"`,
		}},
		{
			"empty names", strings.Replace(spec(), "name: f", `name: "", namespace: ""`, 1),
			[]string{"3: metadata.name: it is missing", "3: metadata.namespace: it is missing"},
		},
	}
}

func typeProblems() []problemTest {
	return []problemTest{
		{
			"number in quotes", spec(`concurrency: "8"`),
			[]string{`7: spec.concurrency: the text "8" stands where a whole number is expected (write 8 without quotes)`},
		},
		{"no for a number", spec("concurrency: no"), []string{`7: spec.concurrency: the text "no" stands where a whole number`}},
		{"float", spec("concurrency: 8.0", "scale: {maxReplicas: 1e3, minReplicas: .inf}"), []string{
			"7: spec.concurrency: the number 8.0 stands where a whole number", "8: spec.scale.maxReplicas: the number 1e3",
			"8: spec.scale.minReplicas: the number .inf",
		}},
		{"other notations", spec("concurrency: 0x10", "scale: {maxReplicas: 010, minReplicas: 1_0}"), []string{
			"7: spec.concurrency: the number 0x10 is not a plain whole number (write digits only",
			"8: spec.scale.maxReplicas: the number 010",
			"8: spec.scale.minReplicas: the number 1_0",
		}},
		{
			"huge number", spec("concurrency: 99999999999999999999"),
			[]string{"7: spec.concurrency: the number 99999999999999999999 "},
		},
		{"list for a number", spec("concurrency: [8]"), []string{"7: spec.concurrency: a list stands where a whole number"}},
		{
			"number for text", handlerOf("command: [run, 1]"),
			[]string{`6: spec.handler.command[1]: the number 1 stands where text is expected (write it in quotes: "1")`},
		},
		{
			"yes for text", handlerOf("command: [run], env: [{name: A, value: Yes}]"),
			[]string{"6: spec.handler.env[0].value: Yes without quotes is text to some YAML readers and true or false to others"},
		},
		{
			"y for text", handlerOf("command: [run], env: [{name: A, value: y}]"),
			[]string{"6: spec.handler.env[0].value: y without quotes is text to some YAML readers and true or false to others"},
		},
		{
			"date for text", handlerOf("command: [run], env: [{name: A, value: 2020-01-01}]"),
			[]string{`6: spec.handler.env[0].value: the value 2020-01-01 stands where text is expected (write it in quotes: "2020-01-01")`},
		},
		{
			"fields for text", handlerOf("command: [run], image: {a: b}"),
			[]string{"6: spec.handler.image: a set of fields stands where text"},
		},
		{
			"binary", handlerOf("command: [run], image: !!binary aGk="),
			[]string{"6: spec.handler.image: the value aGk= stands where text"},
		},
		{"own tag", handlerOf("command: [run], image: !mine a"), []string{"6: spec.handler.image: the value a stands where text"}},
		{
			"text for a list", handlerOf("command: python3 handler.py"),
			[]string{`6: spec.handler.command: the text "python3 handler.py" stands where a list is expected (write ["python3", "handler.py"])`},
		},
		{
			"fields for a list", head + handler + "  triggers: {event: {subjects: [a]}}\n",
			[]string{`6: spec.triggers: a set of fields stands where a list is expected (begin each item with "- ")`},
		},
		{"text for fields", spec("scale: 3"), []string{"7: spec.scale: the number 3 stands where fields are expected"}},
		{"labels", strings.Replace(spec(), "name: f", "name: f, labels: {a: 1, b: [c]}", 1), []string{
			"3: metadata.labels.a: the number 1 stands where text", "3: metadata.labels.b: a list stands where text",
		}},
		{"durations", spec("timeout: 10", `retry: {minBackoff: "10", maxBackoff: 1d, maxAge: [1h]}`,
			"scale: {cooldown: soon}"), []string{
			"7: spec.timeout: the number 10 is a duration without a unit (write 10s for seconds, or use ms, m or h)",
			`8: spec.retry.minBackoff: the text "10" is a duration without a unit (write 10s`,
			`8: spec.retry.maxBackoff: the text "1d" is not a duration (write a number and a unit out of ms, s, m and h`,
			"8: spec.retry.maxAge: a list stands where a duration", `9: spec.scale.cooldown: the text "soon" is not a duration`,
		}},
		{"alias loop", spec("resources: &r", "  requests: *r"), []string{"7: spec.resources.requests.requests: a set of fields"}},
	}
}

func setProblems() []problemTest {
	route := func(name, path, methods string) string {
		text := trigger("{http: {path: " + path + ", methods: [" + methods + "]}}")
		return strings.Replace(text, "name: f", "name: "+name, 1)
	}
	return []problemTest{
		{
			"one name twice", spec() + "---\n" + spec(),
			[]string{"10: metadata.name: there is already a function f, at f.yaml:3 (give one of them another name or namespace)"},
		},
		{
			"one route twice", route("a", "/x", "POST, PUT") + "---\n" + route("b", "/x", "GET, PUT"),
			[]string{`13: spec.triggers[0].http.path: PUT "/x" already belongs to function a, at f.yaml:6 (choose another path or method)`},
		},
		{
			"one route twice in one function", trigger("{http: {path: /x}}, {http: {path: /x}}"),
			[]string{`6: spec.triggers[1].http.path: POST "/x" already belongs to function f, at f.yaml:6`},
		},
		{"same names in other namespaces", spec() + "---\n" +
			strings.Replace(spec(), "name: f", "name: f, namespace: other", 1), nil},
		{"same path, other methods", route("a", "/x", "POST") + "---\n" + route("b", "/x", "GET"), nil},
	}
}
