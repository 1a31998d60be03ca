package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// ScheduleHeader marks a message that a schedule trigger fired; its value is the trigger's index. All firings of one
// schedule are copies of one message, so the event's identity comes from the sequence at which each was stored.
const ScheduleHeader = "Pelton-Schedule"

// schedulePrefix is where the schedules of a function live. A subject holds one schedule: publishing again replaces it.
func schedulePrefix(key function.Key) string {
	return "pelton.park." + key.Namespace + "." + key.Name + ".schedule."
}

func ensureSchedules(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	key := fn.Key()
	wanted := map[string]*nats.Msg{}
	for i, t := range fn.Spec.Triggers {
		if t.Schedule != nil {
			m := scheduleMessage(key, i, t.Schedule)
			wanted[m.Subject] = m
		}
	}
	s, err := js.Stream(ctx, WorkStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", WorkStream, err)
	}
	if err := purgeSchedules(ctx, s, schedulePrefix(key)+">",
		func(subject string) bool { return wanted[subject] != nil }); err != nil {
		return err
	}
	for subject, m := range wanted {
		have, err := s.GetLastMsgForSubject(ctx, subject)
		if err == nil && sameSchedule(have, m) {
			continue
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("look up schedule %s: %w", subject, err)
		}
		if _, err := js.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("provision schedule %s: %w", subject, err)
		}
	}
	return nil
}

func scheduleMessage(key function.Key, trigger int, t *function.ScheduleTrigger) *nats.Msg {
	leaf := "schedule." + strconv.Itoa(trigger)
	m := nats.NewMsg(schedulePrefix(key) + strconv.Itoa(trigger))
	m.Data = t.Data
	m.Header.Set("Nats-Schedule", t.NATSPattern())
	m.Header.Set("Nats-Schedule-Target", "pelton.work."+key.Namespace+"."+key.Name+"."+leaf)
	if t.TimeZone != "" && t.TimeZone != "UTC" {
		m.Header.Set("Nats-Schedule-Time-Zone", t.TimeZone)
	}
	m.Header.Set(ScheduleHeader, strconv.Itoa(trigger))
	return m
}

func sameSchedule(have *jetstream.RawStreamMsg, want *nats.Msg) bool {
	if string(have.Data) != string(want.Data) {
		return false
	}
	for _, name := range []string{"Nats-Schedule", "Nats-Schedule-Target", "Nats-Schedule-Time-Zone"} {
		if have.Header.Get(name) != want.Header.Get(name) {
			return false
		}
	}
	return true
}

// PruneSchedules removes the schedules of every function that is not in keep, so that a function that is gone does not go
// on collecting events in its queue.
func PruneSchedules(ctx context.Context, js jetstream.JetStream, keep []function.Key) error {
	s, err := js.Stream(ctx, WorkStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", WorkStream, err)
	}
	return purgeSchedules(ctx, s, "pelton.park.*.*.schedule.>", func(subject string) bool {
		for _, key := range keep {
			if strings.HasPrefix(subject, schedulePrefix(key)) {
				return true
			}
		}
		return false
	})
}

// RemoveSchedules removes the schedules of one function.
func RemoveSchedules(ctx context.Context, js jetstream.JetStream, key function.Key) error {
	s, err := js.Stream(ctx, WorkStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", WorkStream, err)
	}
	return purgeSchedules(ctx, s, schedulePrefix(key)+">", func(string) bool { return false })
}

func purgeSchedules(ctx context.Context, s jetstream.Stream, filter string, keep func(subject string) bool) error {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	for subject := range info.State.Subjects {
		if keep(subject) {
			continue
		}
		if err := s.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("remove schedule %s: %w", subject, err)
		}
	}
	return nil
}
