package kedatest

import (
	"testing"
	"time"
)

func TestWished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		replicas      int
		value, target float64
		want          int
	}{
		{1, 0, 10, 0},
		{1, 10, 10, 1},
		{1, 10.9, 10, 1},   // within the tolerance
		{1, 11.1, 10, 2},   // beyond it
		{10, 109, 10, 10},  // a whole replica may be missing
		{10, 111, 10, 12},  //
		{10, 91, 10, 10},   //
		{10, 89, 10, 9},    //
		{3, 1000, 10, 100}, //
	} {
		if have := wished(c.replicas, c.value, c.target); have != c.want {
			t.Errorf("%d replicas, %v of %v: %d, want %d", c.replicas, c.value, c.target, have, c.want)
		}
	}
}

// step is one sync: at a second, with so many replicas and a wish.
type step struct{ at, replicas, wish, want int }

func decideAll(t *testing.T, obj Object, steps []step) {
	t.Helper()
	obj.Namespace, obj.Name = "n", "f"
	obj, err := obj.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	a := newAutoscaler(obj, func(d time.Duration) time.Duration { return d })
	began := time.Now()
	for _, s := range steps {
		have := a.decide(began.Add(time.Duration(s.at)*time.Second), s.replicas, s.wish)
		if have != s.want {
			t.Errorf("at %d s, %d replicas, wish %d: %d, want %d", s.at, s.replicas, s.wish, have, s.want)
		}
	}
}

func TestAutoscalerWithBehavior(t *testing.T) {
	t.Parallel()
	decideAll(t, Object{ScaleDownStabilization: 60 * time.Second, MaxReplicas: 50}, []step{
		{0, 1, 100, 5},
		{15, 5, 100, 10},
		{30, 10, 100, 20},
		{45, 20, 100, 40},
		{60, 40, 100, 50},
		{75, 50, 0, 50},
		{119, 50, 3, 50}, // a wish of 100 was less than a minute ago
		{121, 50, 2, 3},  // now the highest is 3
		{300, 3, 0, 1},   // one is the least that it can write
		{301, 1, 1, 1},
	})
}

func TestAutoscalerAfterZeroWithBehavior(t *testing.T) {
	t.Parallel()
	decideAll(t, Object{ScaleDownStabilization: 300 * time.Second}, []step{{0, 10, 10, 10}, {90, 1, 1, 1}})
}

func TestAutoscalerWithoutBehavior(t *testing.T) {
	t.Parallel()
	decideAll(t, Object{}, []step{
		{0, 1, 100, 4}, {15, 4, 100, 8}, {30, 8, 100, 16}, {45, 16, 10, 32}, // the wish of 100 stands
		{100, 1, 1, 4}, // after zero as well
	})
	decideAll(t, Object{}, []step{{0, 10, 10, 10}, {60, 10, 1, 10}, {299, 10, 1, 10}, {301, 10, 1, 1}})
}

func TestAutoscalerWithoutStabilization(t *testing.T) {
	t.Parallel()
	decideAll(t, Object{ScaleDownStabilization: -1, MinReplicas: 2}, []step{{0, 10, 10, 10}, {15, 10, 3, 3}, {30, 3, 0, 2}})
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		float   float64
		integer int64
		want    float64
	}{{0, 3, 3}, {2.5, 3, 2.5}, {-1, 3, 3}, {0, -3, 0}, {1.00049, 0, 1}, {0.0004, 9, 0}} {
		if have := number(c.float, c.integer); have != c.want {
			t.Errorf("number(%v, %d) = %v, want %v", c.float, c.integer, have, c.want)
		}
	}
}

func TestRequestScale(t *testing.T) {
	t.Parallel()
	op, err := New(Config{Addresses: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	for name, c := range map[string]struct {
		min, replicas   int
		lastActive      time.Time
		active, isError bool
		want            int
		touches         bool // lastActive
	}{
		"active at zero":                      {active: true, want: 1, touches: true},
		"active at zero, with a minimum":      {min: 3, active: true, want: 3, touches: true},
		"active above zero":                   {replicas: 2, active: true, want: 2, touches: true},
		"error":                               {replicas: 2, isError: true, lastActive: ago(time.Hour), want: 2},
		"error below the minimum":             {min: 3, replicas: 1, isError: true, want: 1},
		"inactive, within the cooldown":       {replicas: 2, lastActive: ago(59 * time.Second), want: 2},
		"inactive, after the cooldown":        {replicas: 2, lastActive: ago(61 * time.Second), want: 0},
		"inactive and never active":           {replicas: 2, want: 0},
		"inactive at zero":                    {want: 0},
		"inactive below the minimum":          {min: 3, replicas: 1, want: 3},
		"inactive above the minimum: the HPA": {min: 3, replicas: 5, lastActive: ago(time.Hour), want: 5},
	} {
		obj, err := Object{Namespace: "n", Name: name, MinReplicas: c.min, Cooldown: time.Minute}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		s := newScaledObject(op, obj, nil)
		s.created = ago(time.Hour)
		s.status.Replicas, s.status.LastActive = c.replicas, c.lastActive
		s.requestScale(c.active, c.isError, "test")
		if touched := s.status.LastActive != c.lastActive; s.status.Replicas != c.want || touched != c.touches {
			t.Errorf("%s: %d replicas, want %d; touched %v, want %v", name, s.status.Replicas, c.want, touched, c.touches)
		}
	}
}

func TestInitialCooldown(t *testing.T) {
	t.Parallel()
	op, err := New(Config{Addresses: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := Object{Namespace: "n", Name: "f", InitialCooldown: time.Minute}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := newScaledObject(op, obj, nil)
	s.status.Replicas = 1
	if s.requestScale(false, false, "test"); s.status.Replicas != 1 {
		t.Error("zero before the initial cooldown is over")
	}
	s.created = time.Now().Add(-2 * time.Minute)
	if s.requestScale(false, false, "test"); s.status.Replicas != 0 {
		t.Error("not zero after the initial cooldown")
	}
}
