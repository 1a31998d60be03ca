package function_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of these tests, whatever the machine has

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
)

func TestNATSPattern(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"0 3 * * *":          "0 0 3 * * *",
		" */5  8-18 * * 1\t": "0 */5 8-18 * * 1",
		"@hourly":            "@hourly",
	} {
		s := &function.ScheduleTrigger{Cron: cron}
		if got := s.NATSPattern(); got != want {
			t.Errorf("NATSPattern of %q is %q, want %q", cron, got, want)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const never = "0001-01-01T00:00:00Z"
	tests := []struct{ cron, zone, after, want string }{
		{"0 3 * * *", "UTC", "2026-05-01T03:00:00Z", "2026-05-02T03:00:00Z"},
		{"0 3 * * *", "Europe/Oslo", "2026-05-01T00:00:00Z", "2026-05-01T03:00:00+02:00"},
		{"@daily", "Asia/Kathmandu", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00+05:45"},
		{"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 13 * FRI", "UTC", "2026-05-01T00:00:00Z", "2026-05-08T00:00:00Z"},            // a Friday or the 13th
		{"0 0 * * 5/2", "UTC", "2026-05-01T00:00:00Z", "2026-05-08T00:00:00Z"},             // Friday; the week ends before 7
		{"0 0 * * */6", "UTC", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"},             // Sunday and Saturday
		{"30 2 * * *", "Europe/Oslo", "2026-10-24T12:00:00Z", "2026-10-25T02:30:00+02:00"}, // first of two 02:30
		{"0 0 31 2 *", "UTC", "2026-05-01T00:00:00Z", never},
		{"garbage", "UTC", "2026-05-01T00:00:00Z", never},
		{"@daily", "Mars/Phobos", "2026-05-01T00:00:00Z", never},
	}
	for _, tt := range tests {
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		s := &function.ScheduleTrigger{Cron: tt.cron, TimeZone: tt.zone}
		if got := s.Next(after).Format(time.RFC3339); got != tt.want {
			t.Errorf("%q in %s after %s fires at %s, want %s", tt.cron, tt.zone, tt.after, got, tt.want)
		}
	}
}

// TestServerTakesAcceptedSchedules gives expressions that this package accepts to the server that has to run them.
func TestServerTakesAcceptedSchedules(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage, AllowMsgSchedules: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		s := &function.ScheduleTrigger{
			Cron:     drawCron(t),
			TimeZone: rapid.SampledFrom([]string{"UTC", "Europe/Oslo"}).Draw(t, "zone"),
		}
		if !acceptsSchedule(s) {
			return
		}
		accepted++
		msg := nats.NewMsg("s.schedule")
		msg.Header.Set("Nats-Schedule", s.NATSPattern())
		msg.Header.Set("Nats-Schedule-Time-Zone", s.TimeZone)
		msg.Header.Set("Nats-Schedule-Target", "s.fired")
		if _, err := js.PublishMsg(ctx, msg); err != nil {
			t.Fatalf("%q is accepted, and the server refuses %q: %v", s.Cron, s.NATSPattern(), err)
		}
	})
	if accepted < 10 {
		t.Errorf("only %d expressions were accepted", accepted)
	}
}

// acceptsSchedule reports whether a function with just this trigger is valid.
func acceptsSchedule(s *function.ScheduleTrigger) bool {
	f := withDefaults()
	f.Spec.Triggers = []function.Trigger{{Schedule: s}}
	return len(f.Validate()) == 0
}

// drawCron makes expressions that are often valid and lean towards the odd corners.
func drawCron(t *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		return rapid.SampledFrom([]string{
			"@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually",
			"@every 1h",
		}).Draw(t, "descriptor")
	}
	names := []string{"", "", "", "jan,FEB", "mon"}
	fields := make([]string, 5)
	for i := range fields {
		items := make([]string, rapid.IntRange(1, 2).Draw(t, "items"))
		for j := range items {
			items[j] = drawCronItem(t, names[i])
		}
		fields[i] = strings.Join(items, ",")
	}
	return strings.Join(fields, " ")
}

func drawCronItem(t *rapid.T, name string) string {
	number := rapid.IntRange(0, 12)
	a, b, step := number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "step")
	forms := []string{
		"*", "*", "*", "?", fmt.Sprint(a), fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b),
		fmt.Sprintf("*/%d", step), fmt.Sprintf("%d/%d", a, step),
		fmt.Sprintf("%d-%d/%d", a, b, step), "L", "H", name,
	}
	return rapid.SampledFrom(forms).Draw(t, "form")
}
