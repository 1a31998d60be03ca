package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

// Class is what a finding is about.
type Class string

// Violations: none of them is allowed, whatever was done, except where the last word of the line says otherwise.
const (
	ClassLost          Class = "lost"          // accepted, and neither done nor dead nor waiting
	ClassStuck         Class = "stuck"         // accepted, and still waiting when there was time enough
	ClassPhantom       Class = "phantom"       // handled, answered or dead, and never sent
	ClassCorrupt       Class = "corrupt"       // other bytes than were sent
	ClassOverattempted Class = "overattempted" // more attempts than the function allows
	ClassMisjudged     Class = "misjudged"     // dead for a reason that is not its own
	ClassUnanswered    Class = "unanswered"    // done, and its reply is not stored
	ClassTwice         Class = "twice"         // stored, answered or dead twice within the time of deduplication
	ClassCrowded       Class = "crowded"       // more calls at one time than replicas and concurrency allow
	ClassUnreplayed    Class = "unreplayed"    // a dead letter that was given again, to a handler that takes it, and is not done
	ClassCrashed       Class = "crashed"       // a program of ours panicked
	ClassReordered     Class = "reordered"     // of a function with an order: begun before the one before it of its key had ended
	ClassDuplicate     Class = "duplicate"     // done more than once, or an attempt was begun so; allowed for what faults hit
	ClassBoth          Class = "both"          // done and dead; allowed with faults
)

// Finding is one violation.
type Finding struct {
	Class  Class  `json:"class"`
	Event  string `json:"event,omitempty"`
	Detail string `json:"detail"`
}

// Counts is how many events came to what.
type Counts struct {
	Sent      int `json:"sent"`
	Accepted  int `json:"accepted"`  // acknowledged to the publisher
	Unsent    int `json:"unsent"`    // tries to send that failed before anything had left
	Refused   int `json:"refused"`   // not acknowledged and not stored
	OK        int `json:"ok"`        // accepted, and done or, where its outcome is that, dead
	Recovered int `json:"recovered"` // not acknowledged, but stored, and then as ok
	Dead      int `json:"dead"`      // of both: dead letters
	Replayed  int `json:"replayed"`  // dead letters that were given again at the end, and are done now
	HTTP      int `json:"http"`      // of Accepted: with 202, by the bridge
	Calls     int `json:"calls"`     // of handlers

	Lost          int `json:"lost"`
	Stuck         int `json:"stuck"`
	Both          int `json:"both"`
	Duplicates    int `json:"duplicates"`
	Phantom       int `json:"phantom"`
	Corrupt       int `json:"corrupt"`
	Overattempted int `json:"overattempted"`
	Misjudged     int `json:"misjudged"`
	Unanswered    int `json:"unanswered"`
	Twice         int `json:"twice"`
	Crowded       int `json:"crowded"`
	Unreplayed    int `json:"unreplayed"`
	Reordered     int `json:"reordered"`
	Crashed       int `json:"crashed"`
}

// story is everything that is known of one event.
type story struct {
	key     key
	sum     string // as it was sent
	do      Kind
	sent    bool
	acked   bool
	http    bool
	tries   int // to send it
	unsent  int // of them: it has not left
	begun   int
	each    map[int]int // calls of each attempt
	done    int
	highest int // attempt
	sums    []string
}

// checker compares. It knows the promises, and nothing of how they are kept.
type checker struct {
	*evidence
	v *Verdict
}

// check judges.
func check(e *evidence) *Verdict {
	c := checker{e, &Verdict{}}
	stories := c.stories()
	for _, k := range sortedKeys(stories) {
		c.judge(stories[k])
	}
	c.findPhantoms(stories)
	c.judgeBound()
	c.judgeCrowds()
	c.judgeReplays(stories)
	c.judgeOrder()
	for _, crash := range e.crashes {
		c.find(ClassCrashed, key{}, crash)
	}
	if e.unsettled != nil {
		c.v.Unsettled = e.unsettled.Error()
	}
	c.v.Passed = len(c.v.Violations) == 0 && c.v.Unsettled == ""
	return c.v
}

// stories puts the records of each event together.
func (c *checker) stories() map[key]*story {
	all := map[key]*story{}
	of := func(r *record) *story {
		s := all[r.key()]
		if s == nil {
			s = &story{key: r.key(), each: map[int]int{}}
			all[r.key()] = s
		}
		return s
	}
	for i := range c.published {
		r := &c.published[i]
		s := of(r)
		s.sent, s.sum, s.do, s.http = true, r.Sum, r.Do, r.HTTP
		switch r.Kind {
		case recordSent:
			s.tries++
		case recordUnsent:
			s.unsent++
		case recordAcked:
			s.acked = true
		}
	}
	for i := range c.handled {
		r := &c.handled[i]
		s := of(r)
		s.sums = append(s.sums, r.Sum)
		s.highest = max(s.highest, r.Attempt)
		switch r.Kind {
		case recordBegun:
			s.begun++
			s.each[r.Attempt]++
		case recordDone:
			s.done++
		}
	}
	return all
}

func sortedKeys(stories map[key]*story) []key {
	keys := make([]key, 0, len(stories))
	for k := range stories {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// judge decides what became of one event.
func (c *checker) judge(s *story) {
	n := &c.v.Counts
	n.Calls += s.begun
	if !s.sent {
		return // a phantom
	}
	n.Sent++
	n.Unsent += s.unsent
	stored, letters := c.stored[s.key], c.letters[s.key]
	switch finished := s.done > 0 || len(letters) > 0; {
	case !s.acked && len(stored) == 0 && !finished:
		n.Refused++
		return
	case finished && s.acked:
		n.OK++
	case finished:
		n.Recovered++
	default:
		c.judgeUnfinished(s, stored)
	}
	if s.acked {
		n.Accepted++
		if s.http {
			n.HTTP++
		}
	}
	if len(letters) > 0 {
		n.Dead++
	}
	c.judgeRepeats(s, letters)
	c.judgeAttempts(s, letters)
	c.judgeBytes(s, stored, letters)
	c.judgeReplies(s, letters)
	c.judgeStored(s, stored)
}

// judgeUnfinished tells what is lost from what waits too long.
func (c *checker) judgeUnfinished(s *story, stored []storedEvent) {
	subject, queued := c.queued[s.key]
	undelivered := false
	for _, m := range stored {
		undelivered = undelivered || m.sequence > c.ackFloor && c.waits.Due+c.waits.InFlight > 0
	}
	switch {
	case queued:
		c.find(ClassStuck, s.key, "waits on "+subject)
	case undelivered:
		c.find(ClassStuck, s.key, fmt.Sprintf("not acknowledged; %d calls of it have begun", s.begun))
	default:
		c.find(ClassLost, s.key, fmt.Sprintf("stored %d times, acknowledged to the publisher: %t, %d calls of it have begun",
			len(stored), s.acked, s.begun))
	}
}

// judgeRepeats counts what happened more than once. Faults may cause it; they are the only thing that may.
func (c *checker) judgeRepeats(s *story, letters []letter) {
	if s.done > 1 {
		c.v.Counts.Duplicates += s.done - 1
		if c.faults == 0 {
			c.note(ClassDuplicate, s.key, fmt.Sprintf("done %d times, and nothing was hurt", s.done))
		}
	}
	for attempt, calls := range s.each {
		if calls > 1 && c.faults == 0 {
			c.note(ClassDuplicate, s.key, fmt.Sprintf("attempt %d begun %d times, and nothing was hurt", attempt, calls))
		}
	}
	if s.done > 0 && len(letters) > 0 {
		c.v.Counts.Both++
		if c.faults == 0 {
			c.note(ClassBoth, s.key, "done, and dead of "+letters[0].reason+", and nothing was hurt")
		}
	}
}

// judgeAttempts allows what the function allows. A fault can make a second chain of attempts, if it hits between the record
// of a retry and the acknowledgement; it cannot make an attempt beyond the last.
func (c *checker) judgeAttempts(s *story, letters []letter) {
	if s.highest > c.limit || s.begun > c.limit*(1+c.faults) {
		detail := fmt.Sprintf("%d calls, the last of them attempt %d of %d", s.begun, s.highest, c.limit)
		c.find(ClassOverattempted, s.key, detail)
	}
	for _, l := range letters {
		if problem := c.misjudged(s, l); problem != "" {
			c.find(ClassMisjudged, s.key, problem)
		}
	}
}

// misjudged says what is wrong with the reason of a dead letter.
func (c *checker) misjudged(s *story, l letter) string {
	switch {
	case l.reason == deadletter.ReasonRejected && s.do == KindReject:
		return ""
	case l.reason == deadletter.ReasonAttempts && l.attempts != c.limit:
		return fmt.Sprintf("dead after %d attempts of %d", l.attempts, c.limit)
	case l.reason == deadletter.ReasonAttempts && (s.do == KindPoison || c.faults > 0):
		return ""
	case l.reason == deadletter.ReasonCrashLoop && c.faults > 0:
		return ""
	default:
		return fmt.Sprintf("dead of %s, and its handler does %s", l.reason, s.do)
	}
}

// judgeBytes compares checksums: in the stream, in the handler, in dead letters.
func (c *checker) judgeBytes(s *story, stored []storedEvent, letters []letter) {
	for _, m := range stored {
		if m.sum != s.sum {
			c.find(ClassCorrupt, s.key, "in the stream")
			return
		}
	}
	for _, sum := range s.sums {
		if sum != s.sum {
			c.find(ClassCorrupt, s.key, "in the handler")
			return
		}
	}
	for _, l := range letters {
		if l.sum != s.sum {
			c.find(ClassCorrupt, s.key, "in its dead letter")
			return
		}
	}
}

// dedupe is how long the streams know what they have stored.
const dedupe = 2 * time.Minute

// judgeReplies wants one reply for each event that is done, and no second record within the time of deduplication. An event
// that is done and then dead may have none: its handler may have been too late.
func (c *checker) judgeReplies(s *story, letters []letter) {
	replies := c.replies[s.key]
	if s.done > 0 && len(replies) == 0 && len(letters) == 0 {
		c.find(ClassUnanswered, s.key, fmt.Sprintf("done %d times", s.done))
	}
	died := make([]time.Time, len(letters))
	for i, l := range letters {
		died[i] = l.died
	}
	for what, times := range map[string][]time.Time{"replies": replies, "dead letters": died} {
		if apart, close := closest(times); close {
			c.find(ClassTwice, s.key, fmt.Sprintf("%d %s, %v apart", len(times), what, apart))
		}
	}
}

// judgeStored wants no event stored again that is sent again because its acknowledgement was lost, and none stored that has
// never left its publisher.
func (c *checker) judgeStored(s *story, stored []storedEvent) {
	if len(stored) > 0 && s.unsent == s.tries {
		c.find(ClassPhantom, s.key, fmt.Sprintf("stored, and each of %d tries to send it failed before it had left", s.tries))
	}
	times := make([]time.Time, len(stored))
	for i, m := range stored {
		times[i] = m.at
	}
	if apart, close := closest(times); close {
		c.find(ClassTwice, s.key, fmt.Sprintf("stored %d times, %v apart", len(stored), apart))
	}
}

// closest reports whether two of some times are less than the time of deduplication apart, and how much.
func closest(times []time.Time) (time.Duration, bool) {
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		if apart := times[i].Sub(times[i-1]); apart < dedupe {
			return apart, true
		}
	}
	return 0, false
}

// findPhantoms looks for what nobody sent.
func (c *checker) findPhantoms(stories map[key]*story) {
	known := func(k key) bool { return stories[k] != nil && stories[k].sent }
	for _, k := range sortedKeys(stories) {
		if !known(k) {
			c.find(ClassPhantom, k, "in the handler")
		}
	}
	for k := range c.replies {
		if !known(k) {
			c.find(ClassPhantom, k, "in a reply")
		}
	}
	for k := range c.letters {
		if !known(k) {
			c.find(ClassPhantom, k, "in a dead letter")
		}
	}
}

// find counts a violation and notes it.
func (c *checker) find(class Class, k key, detail string) {
	n := &c.v.Counts
	counters := map[Class]*int{
		ClassLost: &n.Lost, ClassStuck: &n.Stuck, ClassPhantom: &n.Phantom, ClassCorrupt: &n.Corrupt,
		ClassOverattempted: &n.Overattempted, ClassMisjudged: &n.Misjudged, ClassUnanswered: &n.Unanswered,
		ClassTwice: &n.Twice, ClassCrashed: &n.Crashed, ClassCrowded: &n.Crowded, ClassUnreplayed: &n.Unreplayed,
		ClassReordered: &n.Reordered,
	}
	*counters[class]++
	c.note(class, k, detail)
}

func (c *checker) note(class Class, k key, detail string) {
	f := Finding{Class: class, Detail: detail}
	if k != (key{}) {
		f.Event = k.String()
	}
	c.v.Violations = append(c.v.Violations, f)
}
