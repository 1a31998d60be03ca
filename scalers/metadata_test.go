package scalers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/scalers"
)

// TestBadMetadata asks for what cannot be answered.
func TestBadMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *scalers.Config) { c.FirstReading = time.Second })
	r.provision("hello", nil)
	tests := []struct {
		metadata []string
		code     codes.Code
		text     string
	}{
		{nil, codes.InvalidArgument, "names nothing to scale by: write function: NAME"},
		{[]string{"function", ""}, codes.InvalidArgument, "function is empty"},
		{[]string{"function", "Hello World"}, codes.InvalidArgument, `"Hello World" is not the name of a function`},
		{[]string{"function", "nobody"}, codes.NotFound, "there is no function nobody in namespace shop"},
		{[]string{"function", "bank/hello"}, codes.PermissionDenied, "is in namespace bank"},
		{[]string{"function", "hello", "namespace", "bank"}, codes.PermissionDenied, "its own namespace alone, here shop"},
		{[]string{"function", "hello", "namespace", "shop"}, codes.InvalidArgument, "remove the key namespace"},
		{[]string{"function", "hello", "concurrency", "3"}, codes.InvalidArgument, "belongs into the Function manifest"},
		{[]string{"function", "hello", "backlog", "0"}, codes.InvalidArgument, "not a number from 1 to 1000000"},
		{[]string{"function", "hello", "backlog", "2.5"}, codes.InvalidArgument, "not a whole number"},
		{[]string{"stream", "EVENTS", "consumer", "c", "backlog", "2"}, codes.InvalidArgument, "backlog is a function's"},
		{[]string{"function", "hello", "stream", "S"}, codes.InvalidArgument, "a function and a consumer"},
		{[]string{"function", "hello", "functionFromEnv", "hello"}, codes.InvalidArgument, "given twice"},
		{[]string{"funktion", "hello"}, codes.InvalidArgument, `unknown key "funktion" (did you mean function?)`},
		{[]string{"stream", "EVENTS", "concurrency", "1"}, codes.InvalidArgument, "consumer is missing"},
		{[]string{"consumer", "c", "concurrency", "1"}, codes.InvalidArgument, "stream is missing"},
		{[]string{"stream", "EVENTS", "consumer", "c"}, codes.InvalidArgument, "says not how much one replica does"},
		{[]string{"stream", "EVENTS", "consumer", "c.>", "concurrency", "1"}, codes.InvalidArgument, "is not a name that NATS allows"},
		{[]string{"stream", "EVENTS", "consumer", "c", "concurrency", "0"}, codes.InvalidArgument, "not a number from 1"},
		{[]string{"stream", "EVENTS", "consumer", "c", "concurrency", "1.5"}, codes.InvalidArgument, "not a whole number"},
		{[]string{"stream", "EVENTS", "consumer", "c", "concurrency", "many"}, codes.InvalidArgument, `"many" is not a number`},
		{[]string{"stream", "EVENTS", "consumer", "c", "drainSeconds", "NaN"}, codes.InvalidArgument, "not a number"},
		{[]string{"stream", "EVENTS", "consumer", "c", "drainSeconds", "-1"}, codes.InvalidArgument, "not a number"},
		{[]string{"stream", "EVENTS", "consumer", "missing", "concurrency", "1"}, codes.NotFound, "missing on stream EVENTS"},
		{[]string{"stream", "NOWHERE", "consumer", "c", "concurrency", "1"}, codes.NotFound, "on stream NOWHERE"},
		{
			[]string{"stream", "EVENTS", "consumer", "bank_hello_events", "concurrency", "1"},
			codes.PermissionDenied, "is a function's in namespace bank",
		},
		{[]string{"funktion", "a", "speed", "9"}, codes.InvalidArgument, `unknown key "speed"`},
	}
	for i, test := range tests {
		ask := ref(fmt.Sprintf("bad-%d", i), test.metadata...)
		check := func(call string, err error) {
			t.Helper()
			if status.Code(err) != test.code || !strings.Contains(status.Convert(err).Message(), test.text) {
				t.Errorf("%v: %s: %v\n\twant %v ... %s", test.metadata, call, err, test.code, test.text)
			}
		}
		waittest.Eventually(t, func() error { // an unknown consumer is known to be unknown after its first reading
			if _, err := r.client.IsActive(t.Context(), ask); status.Code(err) != test.code {
				return fmt.Errorf("%v: %w, want %v", test.metadata, err, test.code)
			}
			return nil
		})
		if spec, err := r.client.GetMetricSpec(t.Context(), ask); err != nil || spec.MetricSpecs[0].TargetSizeFloat < 1 {
			t.Errorf("%v: spec %v, %v: KEDA tells nobody why there is none", test.metadata, spec, err)
		}
		_, err := r.client.IsActive(t.Context(), ask)
		check("IsActive", err)
		_, err = r.client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{
			ScaledObjectRef: ask, MetricName: scalers.MetricName,
		})
		check("GetMetrics", err)
	}
	_, err := r.client.IsActive(t.Context(), &externalscaler.ScaledObjectRef{})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("an empty question: %v", err)
	}
}
