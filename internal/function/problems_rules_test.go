package function_test

import (
	"fmt"
	"strings"
)

func triggerProblems() []problemTest {
	return []problemTest{
		{"missing", head + handler, []string{"4: spec.triggers: there is no trigger, so nothing would ever call the function"}},
		{"empty list", head + handler + "  triggers: []\n", []string{"6: spec.triggers: there is no trigger"}},
		{"empty item", trigger("{}"), []string{"6: spec.triggers[0]: it is none of event, schedule and http"}},
		{
			"two in one", trigger("{event: {subjects: [a]}, http: {path: /a}}"),
			[]string{"6: spec.triggers[0]: it is event and http at once (make each a list item of its own)"},
		},
		{
			"too many", trigger(strings.Repeat("{event: {subjects: [a]}},", 33)),
			[]string{"6: spec.triggers: 33 triggers are more than 32"},
		},
		{"no subjects", trigger("{event: {stream: S}}, {event: {subjects: []}}"), []string{
			"6: spec.triggers[0].event.subjects: there is no subject (write subjects: [events.hello])",
			"6: spec.triggers[1].event.subjects: there is no subject",
		}},
		{
			"too many subjects", trigger("{event: {subjects: [" + manySubjects(257) + "]}}"),
			[]string{"6: spec.triggers: 257 subjects are more than 256"},
		},
		{
			"subjects", trigger(`{event: {subjects: [a.>.b, a..b, "a b", $JS.>, _INBOX.>, "a\x01", pelton.work.>, a*, ""]}}`),
			[]string{
				`6: spec.triggers[0].event.subjects[0]: subject "a.>.b": token 2 is >, which is only allowed as the last token`,
				`6: spec.triggers[0].event.subjects[1]: subject "a..b": token 2 is empty`,
				`6: spec.triggers[0].event.subjects[2]: subject "a b": token 1 has a space`,
				`6: spec.triggers[0].event.subjects[3]: subject "$JS.>": $JS.> is reserved for the NATS server`,
				`6: spec.triggers[0].event.subjects[4]: subject "_INBOX.>": _INBOX.> is reserved for NATS replies`,
				`6: spec.triggers[0].event.subjects[5]: subject "a\x01": token 1 has a character that cannot be printed`,
				`6: spec.triggers[0].event.subjects[6]: subject "pelton.work.>": pelton.> is reserved for Pelton's own streams`,
				`6: spec.triggers[0].event.subjects[7]: subject "a*": token 1 is "a*": a wildcard must be a token of its own`,
				`6: spec.triggers[0].event.subjects[8]: subject "": it is empty (write words joined by dots`,
			},
		},
		{
			"overlap in one trigger", trigger(`{event: {subjects: [a.*, b, a.c]}}`),
			[]string{`6: spec.triggers[0].event.subjects[2]: "a.c" overlaps "a.*" of spec.triggers[0].event.subjects[0], and an event`},
		},
		{
			"overlap of two triggers",
			trigger(`{event: {subjects: [a.c]}}, {http: {path: /a}}, {event: {stream: EVENTS, subjects: [a.>]}}`),
			nil,
		},
		{"same subject on two streams", trigger(`{event: {stream: A, subjects: [a]}}, {event: {stream: B, subjects: [a]}}`), nil},
		{"streams", trigger(`{event: {stream: a.b, subjects: [a]}}, {event: {stream: "", subjects: [b]}},
    {event: {stream: PELTON_DEAD, subjects: [c]}}, {event: {stream: "a b", subjects: [d]}}`), []string{
			`6: spec.triggers[0].event.stream: "a.b" is not a stream name`, `6: spec.triggers[1].event.stream: it is missing`,
			`7: spec.triggers[2].event.stream: PELTON_DEAD is reserved for Pelton`,
			`7: spec.triggers[3].event.stream: "a b" is not a stream name`,
		}},
		{
			"long filter", trigger("{event: {subjects: [a], filter: " + strings.Repeat("x", 16<<10+1) + "}}"),
			[]string{"6: spec.triggers[0].event.filter: it has 16385 bytes, more than 16384"},
		},
	}
}

func manySubjects(n int) string {
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = fmt.Sprintf("a.b%d", i)
	}
	return strings.Join(subjects, ",")
}

func scheduleProblems() []problemTest {
	cron := func(expr string) string { return trigger("{schedule: {cron: " + expr + "}}") }
	const at = "6: spec.triggers[0].schedule.cron: "
	return []problemTest{
		{"missing", trigger("{schedule: {}}"), []string{at + "the schedule has no cron expression"}},
		{"31 February", cron(`"0 0 31 2 *"`), []string{at + `"0 0 31 2 *" never fires: no month it names has such a day`}},
		{"31 in short months", cron(`"0 0 31 4,6,9,11 ?"`), []string{at + `"0 0 31 4,6,9,11 ?" never fires`}},
		{"29 February", cron(`"0 0 29 2 *"`), nil},
		{"31 February or Mondays", cron(`"0 0 31 2 MON"`), nil},
		{"time zone in it", cron("TZ=UTC 0 0 * * *"), []string{at + `"TZ=UTC 0 0 * * *" sets a time zone inside the expression`}},
		{"time zone alone", cron("CRON_TZ=0"), []string{at + `"CRON_TZ=0" sets a time zone inside the expression (delete it`}},
		{"seconds", cron(`"0 0 3 * * *"`), []string{at + `"0 0 3 * * *" has 6 fields, and seconds are not supported`}},
		{"four fields", cron(`"0 3 * *"`), []string{at + `"0 3 * *" has 4 fields, and a cron expression has 5`}},
		{"garbage", cron("a b c d e"), []string{at + `"a b c d e" is not a cron expression`}},
		{"out of range", cron(`"60 24 * * *"`), []string{at + `"60 24 * * *": "60" is over 59, the last value of the field`}},
		{"step 0", cron(`"*/0 * * * *"`), []string{at + `"*/0 * * * *" is not a cron expression`}},
		{"every", cron(`"@every 1h"`), []string{at + `"@every 1h" is not a known descriptor (write five fields, or @hourly`}},
		{"reboot", cron(`"@reboot"`), []string{at + `"@reboot" is not a known descriptor`}},
		{
			"backwards", cron(`"0 22-2 * * *"`),
			[]string{at + `"0 22-2 * * *": the range "22-2" runs backwards (write it in two parts`},
		},
		{
			"weekday 7", cron(`"0 0 * * 5-7"`),
			[]string{at + `"0 0 * * 5-7": weekday 7 is not supported (write 0 or SUN for Sunday)`},
		},
		{"extensions", cron(`"0 0 * * FRI#2"`), []string{at + `"0 0 * * FRI#2": '#' is not allowed in a field`}},
		{"last day", cron(`"0 0 L * *"`), []string{at + `"0 0 L * *" is not a cron expression`}},
		{"empty item", cron(`"1,,2 * * * *"`), []string{at + `"1,,2 * * * *": "1,,2" has an empty item`}},
		{"long", cron(`"` + strings.Repeat("1,", 600) + `1 * * * *"`), []string{at + `"1,1,1`}},
		{"long with spaces", cron(`"0 0 * *` + strings.Repeat(" ", 1017) + `*"`), []string{at + `"0 0 * *`}},
		{"names", cron(`"*/5 8-18 1 JAN,jul Mon-Fri"`), nil},
		{"descriptor", cron(`"@daily"`), nil},
		{"time zones", trigger(`{schedule: {cron: "@daily", timeZone: Mars/Phobos}}, {schedule: {cron: "@daily", timeZone: Local}},
    {schedule: {cron: "@daily", timeZone: ../etc/passwd}}, {schedule: {cron: "@daily", timeZone: ./Europe/Oslo}}, {schedule: {cron: "@daily", timeZone: ""}}`), []string{
			`6: spec.triggers[0].schedule.timeZone: "Mars/Phobos" is not a known time zone (write a name such as Europe/Oslo`,
			`6: spec.triggers[1].schedule.timeZone: "Local" is not a known time zone`,
			`7: spec.triggers[2].schedule.timeZone: "../etc/passwd"`, `7: spec.triggers[3].schedule.timeZone: "./Europe/Oslo"`,
			"7: spec.triggers[4].schedule.timeZone: it is missing",
		}},
		{"maxBody", trigger(`{http: {path: /a, maxBody: 104857600}}, {http: {path: /b, maxBody: "104857600"}}`), []string{
			"6: spec.triggers[0].http.maxBody: the number 104857600 stands where text is expected (write a number of Mi or Gi, such as 100Mi)",
			`6: spec.triggers[1].http.maxBody: "104857600" is not a size between 1Mi and 4Gi (write a number of Mi or Gi, such as 100Mi)`,
		}},
		{"data", trigger("{schedule: {cron: '@daily', data: {a: no, b: !!binary aGk=, 1: c, d: .nan, e: 0x10, f: {g: 1, g: 2}}}}"), []string{
			"6: spec.triggers[0].schedule.data.a: no without quotes is text to some",
			"6: spec.triggers[0].schedule.data.b: the value aGk=",
			"6: spec.triggers[0].schedule.data: the number 1 is not a field name",
			"6: spec.triggers[0].schedule.data.d: the number .nan",
			"6: spec.triggers[0].schedule.data.e: the number 0x10 cannot be written as JSON (write a plain decimal number",
			"6: spec.triggers[0].schedule.data.f.g: it is written twice, on lines 6 and 6",
		}},
		{"large number", trigger("{schedule: {cron: '@daily', data: [1e400]}}"), []string{
			"6: spec.triggers[0].schedule.data[0]: the number 1e400 is larger than numbers of JSON can be (put it in quotes)",
		}},
		{
			"deep data", trigger("{schedule: {cron: '@daily', data: " + strings.Repeat("[", 102) + strings.Repeat("]", 102) + "}}"),
			[]string{"6: spec.triggers[0].schedule.data[0]"},
		},
		{
			"large data", trigger("{schedule: {cron: '@daily', data: " + strings.Repeat("x", 512<<10) + "}}"),
			[]string{"6: spec.triggers[0].schedule.data: the data has 524290 bytes as JSON, more than 524288"},
		},
	}
}

func httpProblems() []problemTest {
	path := func(p string) string { return trigger("{http: {path: " + p + "}}") }
	const at = "6: spec.triggers[0].http."
	return []problemTest{
		{"missing", trigger("{http: {}}"), []string{at + "path: it is missing (write a path such as /thumbnails"}},
		{"no slash", path("a"), []string{at + `path: "a" does not begin with /`}},
		{"double slash", path("/a//b"), []string{at + `path: "/a//b" has an empty segment`}},
		{"trailing slash", path("/a/"), []string{at + `path: "/a/" has an empty segment`}},
		{"dots", path("/a/../b"), []string{at + `path: "/a/../b" has the segment ..`}},
		{"escape", path("/a%2fb"), []string{at + `path: "/a%2fb" has a character other than letters, digits and -._~`}},
		{"query", path(`"/a?b"`), []string{at + `path: "/a?b" has a character other`}},
		{"pattern", path(`"/{a}"`), []string{at + `path: "/{a}" has a character other`}},
		{"not ASCII", path("/ü"), []string{at + `path: "/ü" has a character other`}},
		{"reserved", path("/events/a"), []string{at + `path: "/events/a" is reserved: Pelton itself answers below /events`}},
		{"long", path("/" + strings.Repeat("a", 255)), []string{at + "path: it has 256 bytes, more than 255"}},
		{"root", path("/"), nil},
		{"begins like a reserved one", path("/eventsource"), nil},
		{"everything below", path("/a/*"), nil},
		{"everything", path("/*"), nil},
		{"a star in the middle", path("/a/*/b"), []string{at + `path: "/a/*/b" has a character other`}},
		{"part of a segment", path("/a*"), []string{at + `path: "/a*" has a character other`}},
		{"everything below a reserved one", path("/invocations/*"), []string{at + `path: "/invocations/*" is reserved`}},
		{"nothing before the star", path("//*"), []string{at + `path: "//*" has an empty segment`}},
		{"sync", trigger("{http: {path: /a, mode: sync}}"), nil},
		{"other mode", trigger("{http: {path: /a, mode: asynk}}"), []string{at + `mode: "asynk" is not a mode (write async or sync)`}},
		{
			"methods", trigger(`{http: {path: /a, methods: [post, POST, POST, TRACE, ""]}}, {http: {path: /b, methods: []}}`),
			[]string{
				at + `methods[0]: "post" is not an allowed method (write some of GET, POST, PUT, PATCH, DELETE)`,
				at + "methods[2]: POST is listed twice", at + `methods[3]: "TRACE" is not an allowed method`,
				at + "methods[4]: it is missing",
				"6: spec.triggers[1].http.methods: there is no method",
			},
		},
	}
}

func webhookProblems() []problemTest {
	hook := func(text string) string { return trigger("{http: {path: /a, webhook: {" + text + "}}}") }
	const (
		at     = "6: spec.triggers[0].http.webhook."
		secret = "secretFrom: [{secretKeyRef: {name: a, key: b}}]"
	)
	return []problemTest{
		{"good", hook("scheme: github, " + secret), nil},
		{"empty", hook(""), []string{
			at + "scheme: it is missing (write one of standard, github, stripe, slack)",
			at + "secretFrom: there is no secret, and without one nobody could tell who has sent a request (write - secretKeyRef: {name:",
		}},
		{"other scheme", hook("scheme: gitlab, " + secret), []string{at + `scheme: "gitlab" is not a scheme (write one of`}},
		{
			"secret by value", hook("scheme: slack, secretFrom: hunter2"),
			[]string{at + "secretFrom: "},
		},
		{"secret without a key", hook("scheme: slack, secretFrom: [{secretKeyRef: {name: A}}]"), []string{
			at + "secretFrom[0].secretKeyRef.key: it is missing", at + `secretFrom[0].secretKeyRef.name: "A" is not a name of an object`,
		}},
		{
			"five secrets", hook("scheme: slack, secretFrom: [" + strings.Repeat("{secretKeyRef: {name: a, key: b}},", 5) + "]"),
			[]string{at + "secretFrom: 5 secrets are more than 4"},
		},
		{
			"methods", trigger("{http: {path: /a, methods: [POST, GET], webhook: {scheme: slack, " + secret + "}}}"),
			[]string{"6: spec.triggers[0].http.methods: providers send webhooks by POST (write [POST], or delete it)"},
		},
	}
}

func callbackProblems() []problemTest {
	hook := func(text string) string { return trigger("{http: {path: /a, callbacks: {" + text + "}}}") }
	const (
		at     = "6: spec.triggers[0].http.callbacks"
		secret = "secretFrom: [{secretKeyRef: {name: a, key: b}}]"
	)
	tests := []problemTest{
		{"good callbacks", hook("allow: ['https://a.example/*', 'https://a.example:8443/x', 'https://b/'], " + secret), nil},
		{"no callbacks", hook(""), []string{
			at + ".allow: there is no address, so nobody could ask for a result to be sent (write an address such as https://",
			at + ".secretFrom: there is no secret, and without one nobody could tell who has sent a result (write - secretKeyRef: {name:",
		}},
		{"a callback twice", hook("allow: ['https://a/x', 'https://a/x'], " + secret), []string{at + ".allow[1]: https://a/x is listed twice"}},
		{
			"17 callbacks", hook("allow: [" + manyCallbacks(17) + "], " + secret),
			[]string{at + ".allow: 17 addresses are more than 16 (allow all below a path by /*)"},
		},
		{
			"five secrets of callbacks", hook("allow: ['https://a/x'], secretFrom: [" + strings.Repeat("{secretKeyRef: {name: a, key: b}},", 5) + "]"),
			[]string{at + ".secretFrom: 5 secrets are more than 4"},
		},
		{
			"callbacks of a webhook",
			trigger("{http: {path: /a, webhook: {scheme: slack, " + secret + "}, callbacks: {allow: ['https://a/x'], " + secret + "}}}"),
			[]string{at + ": the provider of a webhook asks for no result"},
		},
	}
	for _, address := range []string{
		"http://a/x", "https://", "https:///x", "https://a", "https://A/x", "https://*.a/x", "https://*/x", "https://a/*/x", "https://a/x*",
		"https://a/../x", "https://a/x/..", "https://u@a/x", "https://a:0/x", "https://a:123456/x", "https://a/x?y", "https://a/x#y", "https://a//x",
		"https://[::1]/x", "https://a./x", "https://-a/x", "ftp://a/x", "a/x", "//a/x", "https://a/%2e",
	} {
		want := at + ".allow[0]: "
		tests = append(tests, problemTest{"callback " + address, hook("allow: ['" + address + "'], " + secret), []string{want}})
	}
	return tests
}

func manyCallbacks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "'https://a/%d',", i)
	}
	return b.String()
}

func handlerProblems() []problemTest {
	const at = "6: spec.handler."
	return []problemTest{
		{"missing", head + triggers, []string{"4: spec.handler: it has neither command nor image"}},
		{"empty", handlerOf("command: []"), []string{"6: spec.handler: it has neither command nor image"}},
		{
			"planned protocols", handlerOf("command: [run], protocol: lambda"),
			[]string{at + "protocol: lambda is planned and not in this version (write cloudevents, http, exec or stream)"},
		},
		{"unknown protocol", handlerOf("command: [run], protocol: grpc"), []string{at + `protocol: "grpc" is not a protocol`}},
		{"empty program", handlerOf(`command: [" "], build: [""]`), []string{
			at + "command[0]: the program's name is empty", at + "build[0]: the program's name is empty",
		}},
		{"NUL", handlerOf(`command: [run, "a\0"], env: [{name: A, value: "\0"}]`), []string{
			at + "command[1]: it has a NUL byte, which no process can be given", at + "env[0].value: it has a NUL byte",
		}},
		{"image", handlerOf(`image: "a b"`), []string{at + `image: "a b" is not an image name (write one such as`}},
		{"empty image", handlerOf(`command: [run], image: ""`), []string{at + "image: it is missing"}},
		{
			"port range", handlerOf("command: [run], port: 65536"),
			[]string{at + "port: 65536 is more than 65535 (write a number from 1 to 65535)"},
		},
		{"port 0", handlerOf("command: [run], port: 0"), []string{at + "port: 0 is less than 1"}},
		{
			"port of exec", handlerOf("command: [run], protocol: exec, port: 80"),
			[]string{at + "port: the handler does not listen on a port"},
		},
		{
			"port of a socket", handlerOf("command: [run], listen: unix, port: 80"),
			[]string{at + "port: the handler does not listen on a port"},
		},
		{
			"listen of stream", handlerOf("command: [run], protocol: stream, listen: unix"),
			[]string{at + "listen: protocol stream does not listen (delete it, or use protocol cloudevents or http)"},
		},
		{
			"listen", handlerOf("command: [run], protocol: http, listen: udp"),
			[]string{at + `listen: "udp" is not a way to listen (write tcp or unix)`},
		},
		{"empty listen", handlerOf(`command: [run], listen: ""`), []string{at + "listen: it is missing (write tcp or unix)"}},
		{"env names", handlerOf(`command: [run], env: [{name: 1A, value: a}, {name: PORT, value: a}, {name: PELTON_X, value: a}, {value: a},
    {name: a=b, value: a}]`), []string{
			at + `env[0].name: "1A" is not a variable name`, at + "env[1].name: PORT is set by Pelton (choose another name)",
			at + "env[2].name: PELTON_X is set by Pelton", at + "env[3].name: it is missing",
			`7: spec.handler.env[4].name: "a=b" is not`,
		}},
		{
			"attributes of exec", handlerOf("command: [run], protocol: exec, env: [{name: CE_ID, value: a}]"),
			[]string{at + "env[0].name: CE_ID would hide an attribute of the event"},
		},
		{
			"duplicate env", handlerOf("command: [run], env: [{name: A, value: a}, {name: A, value: b}]"),
			[]string{at + `env[1].name: "A" is already set by env[0] (keep one of them)`},
		},
		{
			"long env name", handlerOf("command: [run], env: [{name: " + strings.Repeat("A", 1025) + "}]"),
			[]string{at + "env[0].name: it has 1025 characters, more than 1024 (choose a shorter name)"},
		},
		{
			"many arguments", handlerOf("command: [run" + strings.Repeat(", a", 256) + "]"),
			[]string{at + "command: 257 arguments are more than 256 (put them in a file)"},
		},
		{"value and valueFrom", handlerOf("command: [run], env: [{name: A, value: a, valueFrom: {secretKeyRef: {name: a, key: b}}}]"), []string{
			at + "env[0]: value and valueFrom are both set (keep one of them)",
		}},
		{
			"valueFrom", handlerOf(`command: [run], env: [{name: A, valueFrom: {}}, {name: B, valueFrom: {secretKeyRef: {name: A_b, key: a/b}}},
    {name: C, valueFrom: {secretKeyRef: {}, configMapKeyRef: {}}}, {name: D, valueFrom: {configMapKeyRef: {key: .., optional: yes}}}]`),
			[]string{
				at + "env[0].valueFrom: it is neither secretKeyRef nor configMapKeyRef (write secretKeyRef: {name: shop-db,",
				at + `env[1].valueFrom.secretKeyRef.name: "A_b" is not a name of an object (write at most 253 of a-z`,
				at + `env[1].valueFrom.secretKeyRef.key: "a/b" is not a key`,
				"7: spec.handler.env[2].valueFrom: it is secretKeyRef and configMapKeyRef at once",
				"7: spec.handler.env[3].valueFrom.configMapKeyRef.name: it is missing",
				`7: spec.handler.env[3].valueFrom.configMapKeyRef.key: ".." is not a key`,
				`7: spec.handler.env[3].valueFrom.configMapKeyRef.optional: the text "yes" stands where true or false`,
			},
		},
		{
			"mounts", handlerOf(`command: [run], mounts: [{path: /a, secret: s}, {path: /a, configMap: c}, {path: /b}, {path: /c, secret: "", configMap: c},
    {path: a, secret: s}, {path: /d/, secret: s}, {path: /e/../f, secret: s}, {path: /etc/pelton/x, secret: s}, {path: /etc, secret: S}, {secret: s}]`),
			[]string{
				at + "mounts[1].path: /a is already the path of mounts[0] (choose another path)",
				at + "mounts[2]: it is neither of a secret nor of a configMap (write secret: shop-tls or configMap: shop)",
				at + "mounts[3]: secret and configMap are both set (make each a list item of its own)",
				`7: spec.handler.mounts[4].path: "a" is not the full path of a directory (write a directory of its own, such as /etc/shop)`,
				`7: spec.handler.mounts[5].path: "/d/" is not the full path`, `7: spec.handler.mounts[6].path: "/e/../f" is not the full`,
				`7: spec.handler.mounts[7].path: "/etc/pelton/x" belongs to the system or to Pelton`,
				`7: spec.handler.mounts[8].path: "/etc" belongs to`, `7: spec.handler.mounts[8].secret: "S" is not a name of an object`,
				`7: spec.handler.mounts[9].path: it is missing`,
			},
		},
		{
			"many mounts", handlerOf("command: [run], mounts: [" + strings.Repeat("{path: /a, secret: s},", 33) + "]"),
			[]string{at + "mounts: 33 mounts are more than 32 (put more keys"},
		},
		{
			"large env", handlerOf("command: [run], env: [{name: A, value: " + strings.Repeat("x", 32<<10+1) + "}]"),
			[]string{at + "env[0].value: it has 32769 bytes, more than the 32768 a process is given (put it in a file)"},
		},
		{
			"much env", handlerOf("command: [run], env: [" + manyEnv(20, 30_000) + "]"),
			[]string{at + "env: the variables have 600080 bytes together, more than 524288"},
		},
		{
			"many env", handlerOf("command: [run], env: [" + manyEnv(501, 1) + "]"),
			[]string{at + "env: 501 variables are more than 500"},
		},
	}
}

func manyEnv(n, size int) string {
	vars := make([]string, n)
	for i := range vars {
		vars[i] = fmt.Sprintf("{name: %c%c, value: %s}", 'A'+i/26%26, 'A'+i%26, strings.Repeat("x", size))
		if n > 26*2 {
			vars[i] = fmt.Sprintf("{name: A%d, value: x}", i)
		}
	}
	return strings.Join(vars, ",")
}

func deliveryProblems() []problemTest {
	const at = "7: spec."
	return []problemTest{
		{"zeros", spec("concurrency: 0", "timeout: 0s", "retry: {maxAttempts: 0}", "scale: {maxReplicas: 0}"), []string{
			at + "concurrency: 0 is less than 1 (write a number from 1 to 10000)", "8: spec.timeout: 0s is less than 1ms",
			"9: spec.retry.maxAttempts: 0 is less than 1 (write a number from 1 to 1000)",
			"10: spec.scale.maxReplicas: 0 is less than 1",
		}},
		{
			"zeros that mean something",
			spec("retry: {minBackoff: 0s, maxBackoff: 0s, maxAge: 0s}", "scale: {minReplicas: 0, cooldown: 0s}"), nil,
		},
		{
			"negative", spec("concurrency: -1", "timeout: -5s", "retry: {minBackoff: -1s, maxAge: -1h}",
				"scale: {minReplicas: -1, cooldown: -1s}"),
			[]string{
				at + "concurrency: -1 is less than 1", "8: spec.timeout: -5s is less than 1ms",
				"9: spec.retry.minBackoff: -1s is negative",
				"9: spec.retry.maxAge: -1h is negative", "10: spec.scale.minReplicas: -1 is less than 0",
				"10: spec.scale.cooldown: -1s is negative",
			},
		},
		{
			"huge", spec("concurrency: 10001", "retry: {maxAttempts: 1001, maxBackoff: 721h}",
				"scale: {minReplicas: 1001, maxReplicas: 1000000000}"),
			[]string{
				at + "concurrency: 10001 is more than 10000", "8: spec.retry.maxAttempts: 1001 is more than 1000",
				"8: spec.retry.maxBackoff: 721h is more than 720h", "9: spec.scale.minReplicas: 1001 is more than 1000",
				"9: spec.scale.maxReplicas: 1000000000 is more than 1000",
			},
		},
		{
			"back-off", spec("retry: {minBackoff: 20m}"),
			[]string{at + "retry.minBackoff: 20m is more than maxBackoff 10m (write at most 10m, or raise maxBackoff)"},
		},
		{"negative maxBackoff", spec("retry: {maxBackoff: -1s}"), []string{at + "retry.maxBackoff: -1s is negative"}},
		{
			"min and max", spec("scale: {minReplicas: 5, maxReplicas: 3}"),
			[]string{at + "scale.minReplicas: 5 is more than maxReplicas 3 (write a number from 0 to 3, or raise maxReplicas)"},
		},
		{
			"two targets", spec("scale: {target: {backlog: 1, drain: 1s}}"),
			[]string{at + "scale.target: backlog and drain are both set (keep one"},
		},
		{"zero targets", spec("scale: {target: {backlog: 0}}"), []string{at + "scale.target.backlog: 0 is less than 1"}},
		{"zero drain", spec("scale: {target: {drain: 0s}}"), []string{at + "scale.target.drain: 0s is less than 1ms"}},
		{"negative drain", spec("scale: {target: {drain: -1s}}"), []string{at + "scale.target.drain: -1s is less than 1ms"}},
		{
			"ordering without a key", spec("ordering: {key: ' '}"),
			[]string{at + "ordering.key: it is missing (write an expression that gives a string"},
		},
		{
			"long key", spec("ordering: {key: " + strings.Repeat("x", 4097) + "}"),
			[]string{at + "ordering.key: it has 4097 bytes, more than 4096"},
		},
		{
			"ordering and batch", spec("ordering: {key: event.subject}", "batch: {maxEvents: 100}"),
			[]string{at + "ordering: a function with a batch has no order per key (keep one"},
		},
		{"batch", spec("batch: {maxEvents: 1000, maxWait: 5m}"), nil},
		{
			"no batch", spec("batch: {maxEvents: 0, maxWait: -1s}"),
			[]string{at + "batch.maxEvents: 0 is less than 1", at + "batch.maxWait: -1s is negative (write 0s"},
		},
		{
			"huge batch", spec("batch: {maxEvents: 1001, maxWait: 301s}"),
			[]string{at + "batch.maxEvents: 1001 is more than 1000", at + "batch.maxWait: 5m1s is more than 5m"},
		},
		{
			"batch for protocol http", strings.Replace(spec("batch: {maxEvents: 10}"), "command:", "protocol: http, command:", 1),
			[]string{at + "batch: protocol http gives the handler one event per request"},
		},
		{
			"batch and callers", strings.Replace(spec("batch: {maxEvents: 10}"), "[{event", "[{http: {path: /a, mode: sync}}, {event", 1),
			[]string{at + "batch: the answer to a batch has no answers for callers"},
		},
		{"batch without a number", spec("batch: {maxWait: 1s}"), []string{at + "batch.maxEvents: 0 is less than 1"}},
		{
			"many batches", spec("batch: {maxEvents: 1000}", "concurrency: 11"),
			[]string{at + "batch.maxEvents: 11 batches of 1000 events are 11000 in flight per replica, more than 10000 (write"},
		},
		{
			"batch with one attempt", spec("batch: {maxEvents: 10}", "retry: {maxAttempts: 1}"),
			[]string{"8: spec.retry.maxAttempts: 1 attempt is too few for batches"},
		},
		{
			"long duration", spec("timeout: 0." + strings.Repeat("0", 98) + "1s"),
			[]string{at + `timeout: the text "0.000`},
		},
		{"reply", spec("reply: {subject: events.*}"), []string{at + `reply.subject: subject "events.*": token 2 has a wildcard`}},
		{"empty reply", spec("reply: {}"), []string{at + `reply.subject: subject "": it is empty (write one exact subject`}},
		{
			"reserved reply", spec("reply: {subject: pelton.work.default.f.x}"),
			[]string{at + `reply.subject: subject "pelton.work.default.f.x": pelton.>`},
		},
		{"resources", spec(`resources: {requests: {cpu: lots, memory: 64MB}, limits: {cpu: "0.5", memory: 1Gi}}`), []string{
			at + `resources.requests.cpu: "lots" is not an amount (write one such as "100m" or "64Mi")`,
			at + `resources.requests.memory: "64MB" is not an amount`,
		}},
		{
			"long amount", spec(`resources: {limits: {cpu: "` + strings.Repeat("0", 65) + `"}}`),
			[]string{at + `resources.limits.cpu: "0000`},
		},
		{
			"many amounts", spec("resources: {limits: {" + manyAmounts(101) + "}}"),
			[]string{at + "resources.limits: 101 amounts are more than 100 (write those"},
		},
	}
}

func manyAmounts(n int) string {
	amounts := make([]string, n)
	for i := range amounts {
		amounts[i] = fmt.Sprintf(`example.com/a%d: "1"`, i)
	}
	return strings.Join(amounts, ",")
}

func labelProblems() []problemTest {
	with := func(text string) string { return strings.Replace(spec(), "name: f", "name: f, "+text, 1) }
	const at = "3: metadata."
	return []problemTest{
		{"good", with(`labels: {a: "", B.c_d-e: x.Y_z-1, a.b/c: "1"}, annotations: {A.b/C: "any thing"}`), nil},
		{"names", with(`labels: {"": a, a b: a, -a: a, a/b/c: a, A.b/c: a, /a: a, a/: a}`), []string{
			at + `labels."": "" is not a name for it (write at most 63 letters, digits, -, _ and ., such as team or`,
			at + `labels."a b": "a b" is not a name`, at + `labels.-a: "-a" is not`, at + `labels.a/b/c: "a/b/c" is not`,
			at + `labels."A.b/c": "A.b/c" is not`, at + `labels./a: "/a" is not`, at + `labels.a/: "a/" is not`,
		}},
		{"long names", with("annotations: {" + strings.Repeat("a", 64) + ": x, " + strings.Repeat("a.", 127) + "/b: x}"), []string{
			at + "annotations." + `"aaaa`, at + "annotations." + `"a.a.`,
		}},
		{"values", with(`labels: {a: a b, b: -a, c: ` + strings.Repeat("a", 64) + `}`), []string{
			at + `labels.a: "a b" is not a label (write at most 63`, at + `labels.b: "-a" is not a label`, at + `labels.c: "aaaa`,
		}},
		{
			"large", with("annotations: {a: " + strings.Repeat("x", 256<<10) + "}"),
			[]string{at + "annotations: the annotations have 262145 bytes together, more than 262144 (keep data out"},
		},
	}
}
