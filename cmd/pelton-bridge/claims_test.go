package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
)

// ask makes a claim from "NAMESPACE/NAME METHOD PATH"; a time after the epoch makes it known since when.
func ask(text string, since int64) claim {
	who, what, _ := strings.Cut(text, " ")
	namespace, name, _ := strings.Cut(who, "/")
	_, path, _ := strings.Cut(what, " ")
	c := claim{what: what, path: path, key: function.Key{Namespace: namespace, Name: name}}
	if since > 0 {
		c.since = time.Unix(since, 0)
	}
	return c
}

func TestWhoHasAPath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, list []claim
		served       []string
	}{
		"by name where nothing is known": {
			list: []claim{ask("a/f POST /x", 0), ask("b/f POST /x", 0)}, served: []string{"a/f POST /x"},
		},
		"who was first": {
			list: []claim{ask("a/f POST /x", 9), ask("b/f POST /x", 5)}, served: []string{"b/f POST /x"},
		},
		"before there were times": {
			list: []claim{ask("a/f POST /x", 9), ask("b/f POST /x", 0)}, served: []string{"b/f POST /x"},
		},
		"who is served": {
			before: []claim{ask("b/f POST /x", 0)},
			list:   []claim{ask("a/f POST /x", 0), ask("b/f POST /x", 0)}, served: []string{"b/f POST /x"},
		},
		"another method": {
			list: []claim{ask("a/f GET /x", 0), ask("b/f POST /x", 0)}, served: []string{"a/f GET /x", "b/f POST /x"},
		},
		"one path of two": {
			list: []claim{ask("a/f POST /x", 0), ask("b/f POST /x", 0), ask("b/f POST /y", 0)}, served: []string{"a/f POST /x", "b/f POST /y"},
		},
		"below, of another namespace": {
			list:   []claim{ask("a/f POST /x/*", 1), ask("b/f GET /x/y", 2), ask("b/g GET /x", 2), ask("b/h GET /x/y/*", 2), ask("b/i GET /xy", 2)},
			served: []string{"a/f POST /x/*", "b/i GET /xy"},
		},
		"with a slash at the end": {
			list: []claim{ask("a/f POST /x/*", 1), ask("b/f GET /x/", 2)}, served: []string{"a/f POST /x/*"},
		},
		"below the root": {
			list: []claim{ask("a/f POST /*", 1), ask("b/f GET /x", 2), ask("b/f GET /*", 2)}, served: []string{"a/f POST /*"},
		},
		"below, of the same namespace": {
			list: []claim{ask("a/f POST /x/*", 1), ask("a/g POST /x/y", 2)}, served: []string{"a/f POST /x/*", "a/g POST /x/y"},
		},
		"below, and there before": {
			list: []claim{ask("a/f POST /x/*", 2), ask("b/f POST /x/y", 1)}, served: []string{"a/f POST /x/*", "b/f POST /x/y"},
		},
		"below, and served": {
			before: []claim{ask("b/f POST /x/y", 0)},
			list:   []claim{ask("a/f POST /x/*", 0), ask("b/f POST /x/y", 0)}, served: []string{"a/f POST /x/*", "b/f POST /x/y"},
		},
		"below, and both served": {
			before: []claim{ask("b/f POST /x/y", 1), ask("a/f POST /x/*", 2)},
			list:   []claim{ask("a/f POST /x/*", 0), ask("b/f POST /x/y", 0)}, served: []string{"a/f POST /x/*", "b/f POST /x/y"},
		},
	} {
		before, _ := holders{}.settle(c.before)
		asked := len(c.list)
		now, problems := before.settle(c.list)
		want := holders{}
		for _, text := range c.served {
			one := ask(text, 0)
			want[one.what] = one.key
		}
		if diff := cmp.Diff(want, now); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if told := strings.Count(fmt.Sprint(problems), " function "); told != asked-len(want) {
			t.Errorf("%s: %d problems are told, want %d: %v", name, told, asked-len(want), problems)
		}
	}
}

// TestPathIsNotTakenOver by a function that comes later, whatever it is called and below whatever path, and also by a bridge that starts
// after both.
func TestPathIsNotTakenOver(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	js := provision(t, srv)
	owner, wide := webFunction("m", "tasks", "/tasks"), webFunction("m", "app", "/app/*")
	wide.Spec.Triggers[0].HTTP.Methods = []string{http.MethodPut}
	put(t, js, owner, wide)
	first := start(t, "NATS_URL="+srv.URL(), tokens(t))
	first.awaitReady()
	first.await("/tasks", http.StatusAccepted)
	thief := webFunction("a", "thief", "/tasks")
	thief.Spec.Triggers = append(thief.Spec.Triggers, webFunction("a", "", "/app/login").Spec.Triggers[0], webFunction("a", "", "/own").Spec.Triggers[0])
	put(t, js, thief)
	first.await("/own", http.StatusAccepted)
	second := start(t, "NATS_URL="+srv.URL(), tokens(t))
	second.awaitReady()
	second.await("/own", http.StatusAccepted)
	for _, p := range []*process{first, second} {
		if _, text := p.post("/tasks", token); !strings.Contains(text, "pelton.work.m.tasks.http") {
			t.Errorf("the path is another's now: %s", text)
		}
		p.await("/app/login", http.StatusMethodNotAllowed)
		if !strings.Contains(p.output(), "POST /app/login is below a path of function m/app") {
			t.Error("nobody is told of a path below another namespace's")
		}
	}
	if err := catalog.Remove(t.Context(), js, owner.Key()); err != nil {
		t.Fatal(err)
	}
	first.awaitOwner("/tasks", "a.thief")
	put(t, js, owner)
	put(t, js, webFunction("z", "last", "/last"))
	first.await("/last", http.StatusAccepted)
	first.awaitOwner("/tasks", "a.thief")
}
