package desired_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// TestProblems runs on one machine, but not on Kubernetes: all that is wrong is told at once, and where.
func TestProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(s *function.Spec)
		want   []string
	}{
		"nothing": {func(*function.Spec) {}, nil},
		"no image": {func(s *function.Spec) {
			s.Handler = function.Handler{Protocol: function.ProtocolStream, Command: []string{"hello"}}
		}, []string{"spec.handler.image"}},
		"no port": {func(s *function.Spec) { s.Handler.Port = 0 }, []string{"spec.handler.port"}},
		"neither": {func(s *function.Spec) {
			s.Handler.Port, s.Handler.Image = 0, ""
		}, []string{"spec.handler.image", "spec.handler.port"}},
		"no port, unix": {func(s *function.Spec) { s.Handler.Port, s.Handler.Listen = 0, function.ListenUnix }, nil},
		"exec, no command": {func(s *function.Spec) {
			s.Handler = function.Handler{Protocol: function.ProtocolExec, Image: "a"}
		}, []string{"spec.handler.command"}},
		"resources": {func(s *function.Spec) {
			s.Resources = &function.Resources{
				Requests: map[string]function.Amount{"cpu": "2", "memory": "1Gi", "example.com/gpu": "1"},
				Limits:   map[string]function.Amount{"cpu": "1500m", "memory": "1024Mi", "cores": "1", "ephemeral-storage": "lots"},
			}
		}, []string{"spec.resources.limits.cores", "spec.resources.limits.ephemeral-storage", "spec.resources.requests.cpu"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := goldenFunction(t, "minimal")
			test.change(&fn.Spec)
			_, err := desired.Objects(fn, usualSettings())
			var got []string
			if invalid, ok := errors.AsType[*function.Invalid](err); ok {
				for _, p := range invalid.Problems {
					got = append(got, p.Path)
					if p.Message == "" || p.Hint == "" {
						t.Errorf("%s: nobody would know what to do: %s", p.Path, p)
					}
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingsValidate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(s *desired.Settings)
		want   string // in the error; "" is none
	}{
		"usual":          {func(*desired.Settings) {}, ""},
		"all":            {func(s *desired.Settings) { *s = allSettings() }, ""},
		"no image":       {func(s *desired.Settings) { s.SidecarImage = "" }, "SidecarImage: it is missing"},
		"no scaler":      {func(s *desired.Settings) { s.ScalerAddress = "" }, "ScalerAddress: it is missing"},
		"no NATS":        {func(s *desired.Settings) { s.NATSURL = "" }, "NATSURL: it is missing"},
		"no NATS host":   {func(s *desired.Settings) { s.NATSURL = "nats://a,nats://:4222" }, "NATSURL: a server has no host"},
		"no NATS port":   {func(s *desired.Settings) { s.NATSURL = "nats://a:70000" }, "70000 is not a port"},
		"a password":     {func(s *desired.Settings) { s.NATSURL = "nats://a,nats://me:secret@b:4222" }, "NATSURL: the address of b has a"},
		"a token":        {func(s *desired.Settings) { s.NATSURL = "secret@c" }, "NATSURL: the address of c has a"},
		"no NATS URL":    {func(s *desired.Settings) { s.NATSURL = "nats://me:secret word@a b:1" }, "NATSURL: it is not an address"},
		"kind":           {func(s *desired.Settings) { s.TriggerAuthentication.Kind = "Secret" }, `TriggerAuthentication.Kind: "Secret"`},
		"secret, no key": {func(s *desired.Settings) { s.NATSCredentials.Secret = "nats" }, "NATSCredentials: "},
		"key, no secret": {func(s *desired.Settings) { s.NATSCredentials.CA = "ca.crt" }, "NATSCredentials: "},
		"polling":        {func(s *desired.Settings) { s.PollingInterval = 1 }, "PollingInterval: 1ns is less"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := usualSettings()
			test.change(&s)
			err := s.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret word") {
				t.Errorf("the error tells the password: %v", err)
			}
			if _, desiredErr := desired.Objects(goldenFunction(t, "minimal"), s); (err == nil) != (desiredErr == nil) {
				t.Errorf("Objects says %v, Validate says %v", desiredErr, err)
			}
		})
	}
}

// TestRollout says which changes start new pods, and which must not.
func TestRollout(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rolls  bool
		change func(fn *function.Function)
	}{
		"labels":      {false, func(fn *function.Function) { fn.Metadata.Labels = map[string]string{"a": "b"} }},
		"annotations": {false, func(fn *function.Function) { fn.Metadata.Annotations = map[string]string{"a": "b"} }},
		"scale":       {false, func(fn *function.Function) { fn.Spec.Scale.MaxReplicas, fn.Spec.Scale.MinReplicas = 90, 1 }},
		"onDelete":    {false, func(fn *function.Function) { fn.Spec.OnDelete = function.OnDeleteDiscard }},
		"build":       {false, func(fn *function.Function) { fn.Spec.Handler.Build = []string{"make"} }},
		"origin":      {false, func(fn *function.Function) { fn.Origin.Line = 7 }},
		"image":       {true, func(fn *function.Function) { fn.Spec.Handler.Image = "example.com/resize:1.5" }},
		"concurrency": {true, func(fn *function.Function) { fn.Spec.Concurrency++ }},
		"timeout":     {true, func(fn *function.Function) { fn.Spec.Timeout = math.MaxInt64 }},
		"trigger":     {true, func(fn *function.Function) { fn.Spec.Triggers[0].Event.Filter = "true" }},
		"reply":       {true, func(fn *function.Function) { fn.Spec.Reply = &function.Reply{Subject: "events.a"} }},
		"env":         {true, func(fn *function.Function) { fn.Spec.Handler.Env = []function.EnvVar{{Name: "A"}} }},
		"resources": {true, func(fn *function.Function) {
			fn.Spec.Resources = &function.Resources{Limits: map[string]function.Amount{"cpu": "1"}}
		}},
	}
	before := deploymentOf(t, objectsOf(t, goldenFunction(t, "minimal"), usualSettings()))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := goldenFunction(t, "minimal")
			test.change(fn)
			after := deploymentOf(t, objectsOf(t, fn, usualSettings()))
			if rolls := !cmp.Equal(before.Spec.Template, after.Spec.Template); rolls != test.rolls {
				t.Errorf("new pods: %v, want %v\n%s", rolls, test.rolls, cmp.Diff(before, after))
			}
		})
	}
}

// TestManifestInPods reads the manifest of a pod as its sidecar does.
func TestManifestInPods(t *testing.T) {
	t.Parallel()
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := goldenFunction(t, name)
			data := only(t, objectsOf(t, fn, goldenSettings(name)), "ConfigMap").Object["data"].(map[string]any)
			read, problems := function.Parse([]byte(data["function.yaml"].(string)), "")
			if len(problems) > 0 || len(read) != 1 {
				t.Fatalf("%d functions, %v", len(read), problems)
			}
			type part struct {
				Key     function.Key
				Handler function.Handler
				Spec    function.Spec
			}
			of := func(fn *function.Function) part {
				p := part{Key: fn.Key(), Handler: fn.Spec.Handler, Spec: function.Spec{
					Triggers: fn.Spec.Triggers, Concurrency: fn.Spec.Concurrency, Timeout: fn.Spec.Timeout,
					Retry: fn.Spec.Retry, Reply: fn.Spec.Reply,
				}}
				p.Handler.Build = nil
				for i := range p.Spec.Triggers {
					if s := p.Spec.Triggers[i].Schedule; s != nil {
						s.Data = nil
					}
				}
				return p
			}
			if diff := cmp.Diff(of(fn), of(read[0])); diff != "" {
				t.Errorf("the sidecar reads another function (-want +got):\n%s", diff)
			}
		})
	}
}
