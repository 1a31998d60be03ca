package desired_test

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// anyFunction draws a valid function that can run on Kubernetes.
func anyFunction(t *rapid.T) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	fn.Metadata.Name = rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?`).Draw(t, "name")
	fn.Metadata.Namespace = rapid.StringMatching(`[a-z]([a-z0-9-]{0,61}[a-z0-9])?`).Draw(t, "namespace")
	s := &fn.Spec
	s.Triggers = anyTriggers(t)
	s.Handler = anyHandler(t)
	s.Concurrency = rapid.IntRange(0, function.MaxConcurrency).Draw(t, "concurrency")
	s.Timeout = anyDuration(t, "timeout", function.MinTimeout)
	s.Scale.MinReplicas = rapid.IntRange(0, function.DefaultMaxReplicas).Draw(t, "minReplicas")
	s.Scale.MaxReplicas = rapid.IntRange(function.DefaultMaxReplicas, function.MaxReplicas).Draw(t, "maxReplicas")
	s.Scale.Cooldown = anyDuration(t, "cooldown", 0)
	if rapid.Bool().Draw(t, "resources") {
		amounts := rapid.MapOf(rapid.SampledFrom([]string{"cpu", "memory", "example.com/gpu"}),
			rapid.SampledFrom([]function.Amount{"1", "500m", "1.5", "64Mi"}))
		s.Resources = &function.Resources{Requests: amounts.Draw(t, "requests")}
	}
	fn.SetDefaults()
	if problems := fn.Validate(); len(problems) > 0 {
		t.Fatalf("the test draws functions that are not valid: %v", problems)
	}
	return fn
}

// anyDuration draws also the longest there are.
func anyDuration(t *rapid.T, name string, least function.Duration) function.Duration {
	return function.Duration(rapid.Int64Min(int64(least)).Draw(t, name))
}

func anyTriggers(t *rapid.T) []function.Trigger {
	switch rapid.SampledFrom([]string{"event", "schedule", "http"}).Draw(t, "trigger") {
	case "schedule":
		return []function.Trigger{{Schedule: &function.ScheduleTrigger{Cron: "@daily", Data: []byte(`{"id":12345678901234567890}`)}}}
	case "http":
		return []function.Trigger{{HTTP: &function.HTTPTrigger{Path: "/orders"}}}
	default:
		return []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events.>"}, Filter: `data.total > 1`}}}
	}
}

func anyHandler(t *rapid.T) function.Handler {
	text := rapid.StringMatching(`[A-Z$() ]{0,12}`)
	h := function.Handler{
		Protocol: rapid.SampledFrom([]function.Protocol{
			function.ProtocolCloudEvents, function.ProtocolHTTP, function.ProtocolExec, function.ProtocolStream,
		}).Draw(t, "protocol"),
		Image: "example.com/any:1",
	}
	if h.Protocol == function.ProtocolExec || rapid.Bool().Draw(t, "command") {
		h.Command = append([]string{"any"}, rapid.SliceOfN(text, 0, 3).Draw(t, "arguments")...)
	}
	for _, name := range rapid.SliceOfDistinct(rapid.StringMatching(`[A-BD-O]{1,3}`), rapid.ID[string]).Draw(t, "env") {
		h.Env = append(h.Env, function.EnvVar{Name: name, Value: text.Draw(t, "value")})
	}
	if h.Protocol == function.ProtocolCloudEvents || h.Protocol == function.ProtocolHTTP {
		h.Listen = rapid.SampledFrom([]string{function.ListenTCP, function.ListenUnix}).Draw(t, "listen")
		if h.Listen == function.ListenTCP {
			h.Port = rapid.OneOf(rapid.IntRange(1, 65535), rapid.IntRange(8080, 8082)).Draw(t, "port")
		}
	}
	return h
}

func anySettings(t *rapid.T) desired.Settings {
	s := usualSettings()
	if rapid.Bool().Draw(t, "all settings") {
		s = allSettings()
	}
	s.PollingInterval = time.Duration(rapid.IntRange(0, 3).Draw(t, "polling")) * time.Minute
	s.ImagePullPolicy = rapid.SampledFrom([]corev1.PullPolicy{"", corev1.PullNever}).Draw(t, "pull policy")
	return s
}
