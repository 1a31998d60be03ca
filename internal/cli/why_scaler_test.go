package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/function"
)

// tells runs a server that answers as a scaler does.
func tells(t *testing.T, status int, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/decisions" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func runWhy(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), Config{
		Args: append([]string{"why"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

// TestAScalerThatCannotBeAsked is exit 5, with the reason and what to do.
func TestAScalerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://127.0.0.1:1": "connection refused",
		tells(t, http.StatusForbidden, "on loopback alone"): "403 Forbidden: on loopback alone",
		tells(t, http.StatusOK, "hello"):                    "is this pelton-scaler?",
		tells(t, http.StatusOK, `{"a":1}`):                  "is this pelton-scaler?",
		tells(t, http.StatusOK, `[{"namespace":"shop"}`):    "read decisions: ",
		tells(t, http.StatusOK, `[{"namespace":"shop"},7]`): "read decisions: ",
	} {
		code, out, errs := runWhy(t, "thumb", "--scaler", url)
		if code != ExitUnreachable || !strings.Contains(out, "FAIL  scaler") || !strings.Contains(errs, want) ||
			!strings.Contains(errs, "kubectl port-forward") {
			t.Errorf("%s: exit %d, %s, %s, want %q", url, code, out, errs, want)
		}
	}
	for _, args := range [][]string{
		{"thumb", "--scaler", "ftp://host"},
		{"thumb", "--scaler", "http://"},
		{"shop/thumb", "-n", "shop", "--scaler", "a:1"},
		{"a.b", "--scaler", "a:1"},
	} {
		if code, _, errs := runWhy(t, args...); code != ExitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

// TestOnlyWhatConcernsTheFunctionIsShown picks by namespace and source, not by the ScaledObject's name.
func TestOnlyWhatConcernsTheFunctionIsShown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var objects []decision.Object
	for _, o := range [][3]string{
		{"shop", "by-function", "function thumb"},
		{"shop", "by-consumer", "consumer shop_thumb_work on stream PELTON_WORK"},
		{"shop", "thumb", ""},
		{"shop", "thumb-pfn", ""},
		{"shop", "thumb-pfn", "function thumb"},
		{"other", "foreign", "function thumb"},
		{"shop", "alike", "function thumb-2"},
		{"shop", "refused", ""},
		{"shop", "alike-too", "consumer shop_thumb-2_work on stream PELTON_WORK"},
	} {
		objects = append(objects, decision.Object{Namespace: o[0], Name: o[1], Source: o[2], Asked: now})
	}
	body, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	url := tells(t, http.StatusOK, string(body))
	code, out, errs := runWhy(t, "thumb", "-n", "shop", "--scaler", strings.TrimPrefix(url, "http://"), "-o", "json")
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != ExitOK {
		t.Fatalf("exit %d, %v, %s", code, err, errs)
	}
	var names []string
	for _, o := range d.ScaledObjects {
		names = append(names, o.Name)
	}
	if got := strings.Join(names, " "); got != "by-function by-consumer thumb thumb-pfn thumb-pfn" {
		t.Errorf("ScaledObjects %s", got)
	}
	if code, out, _ := runWhy(t, "shop/none", "--scaler", url); code != ExitOK ||
		!strings.Contains(out, "\nshop/none: ScaledObject: none in namespace shop has asked for function none lately") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestWhatAScalerTells looks at each line for one ScaledObject. Times are before now.
func TestWhatAScalerTells(t *testing.T) {
	t.Parallel()
	now := time.Now()
	told := func(call string, at, last time.Duration, change func(*decision.Decision)) decision.Decision {
		d := decision.Decision{At: now.Add(-at), Last: now.Add(-last), Count: 1, Call: call, Reason: "the reason"}
		if change != nil {
			change(&d)
		}
		return d
	}
	fails := func(d *decision.Decision) { d.Error = "no such consumer" }
	unattended := func(d *decision.Decision) { d.Active, d.Unattended, d.Due = true, true, 3 }
	wants := func(d *decision.Decision) {
		d.Due, d.InFlight, d.Value, d.Target, d.Wanted, d.ServiceTime = 7, 1, 8, 4, 2, 0.02
	}
	for name, c := range map[string]struct {
		asked     time.Duration
		streams   int
		decisions []decision.Decision
		want      string // state, line and a part of its detail
		answer    string
	}{
		"nothing told": {time.Second, 2, nil, "note activity KEDA has not been told", "nothing is wrong: KEDA hears"},
		"silent": {
			10 * time.Minute, 0, nil, "fail ScaledObject KEDA does not ask any more",
			"ScaledObject: shop/thumb asks for function thumb, last 10m",
		},
		"polls only": {time.Second, 0, nil, "note streams KEDA hears of events only when it polls", "nothing is wrong"},
		"error now": {
			time.Second, 2,
			[]decision.Decision{told(decision.IsActive, time.Hour, time.Second, fails)},
			"fail errors IsActive 1.0s ago: no such consumer", "errors: IsActive",
		},
		"error that is over": {
			time.Second, 2,
			[]decision.Decision{
				told(decision.Refused, time.Hour, time.Minute, fails), told(decision.IsActive, time.Hour, time.Second, nil),
			},
			"note errors refused 1m0s ago: no such consumer", "nothing is wrong",
		},
		"error of one call": {
			time.Second, 2,
			[]decision.Decision{
				told(decision.IsActive, time.Hour, time.Second, nil), told(decision.Metrics, time.Hour, 10*time.Second, fails),
			},
			"fail errors GetMetrics 10.0s ago", "errors: GetMetrics",
		},
		"unattended": {
			time.Second, 2,
			[]decision.Decision{
				told(decision.ActivityPushed, 90*time.Second, time.Second, unattended),
				told(decision.IsActive, 80*time.Second, 5*time.Second, unattended),
				told(decision.IsActive, time.Hour, 2*time.Minute, nil),
			},
			"fail activity KEDA has known it for 1m30s, and no replica takes them", "activity: active",
		},
		"unattended for a moment": {
			time.Second, 2,
			[]decision.Decision{told(decision.ActivityPushed, time.Second, time.Second, unattended)},
			"ok activity active, told 1.0s ago (pushed activity): the reason", "nothing is wrong: KEDA knows that the reason",
		},
		"metrics": {
			time.Second, 2,
			[]decision.Decision{told(decision.Metrics, time.Second, time.Second, wants)},
			"ok metrics wants 2 replicas, told 1.0s ago: the reason 7 due, 1 in flight, service time 20ms, value 8 at 4 per replica",
			"nothing is wrong",
		},
	} {
		w := whyScaled{key: function.Key{Namespace: "shop", Name: "thumb"}, now: now, diag: &diagnosis{}}
		o := decision.Object{
			Namespace: "shop", Name: "thumb", Source: "function thumb", Streams: c.streams, Asked: now.Add(-c.asked),
			Decisions: c.decisions,
		}
		w.diag.ScaledObjects = []decision.Object{o}
		w.object(&w.diag.ScaledObjects[0])
		w.diag.conclude(w.best())
		checkTold(t, name, w.diag, c.want, c.answer)
	}
}

func checkTold(t *testing.T, name string, d *diagnosis, want, answer string) {
	t.Helper()
	words := strings.SplitN(want, " ", 3)
	found := false
	for _, c := range d.Checks {
		text := strings.Join(append([]string{c.Detail}, c.Lines...), " ")
		found = found || c.State == words[0] && c.Name == words[1] && strings.Contains(text, words[2])
	}
	if !found || !strings.HasPrefix(d.Answer, answer) {
		t.Errorf("%s: %+v, answer %q; want %q, answer %q", name, d.Checks, d.Answer, want, answer)
	}
}

// TestCorrectedTriggersAreLeftOut keeps what is wrong still.
func TestCorrectedTriggersAreLeftOut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	refused := decision.Decision{Call: decision.Refused, Error: "unknown key"}
	object := func(name, source string, asked time.Duration, decisions ...decision.Decision) decision.Object {
		return decision.Object{Namespace: "shop", Name: name, Source: source, Asked: now.Add(-asked), Decisions: decisions}
	}
	var names []string
	for _, o := range withoutCorrected([]decision.Object{
		object("corrected", "", time.Minute, refused),
		object("corrected", "function thumb", time.Second, decision.Decision{Call: decision.IsActive}),
		object("wrong-now", "function thumb", time.Minute, decision.Decision{Call: decision.IsActive}),
		object("wrong-now", "", time.Second, refused),
		object("never-right", "", time.Minute, refused),
	}) {
		names = append(names, o.Name+o.Source)
	}
	if got := strings.Join(names, ", "); got != "correctedfunction thumb, wrong-nowfunction thumb, wrong-now, never-right" {
		t.Errorf("left are %s", got)
	}
}
