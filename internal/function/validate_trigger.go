package function

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Bounds of what one function may ask of the server: each event trigger is a consumer.
const (
	maxTriggers = 32
	maxSubjects = 256
	maxFilter   = 16 << 10
)

const triggersHint = "write - event: {subjects: [events.hello]}, - schedule: {cron: \"0 3 * * *\"} or - http: {path: /hello}"

func (c *checker) checkTriggers(triggers []Trigger) {
	const path = "spec.triggers"
	switch {
	case len(triggers) == 0:
		c.add(path, "there is no trigger, so nothing would ever call the function", triggersHint)
		return
	case len(triggers) > maxTriggers:
		c.add(path, fmt.Sprintf("%d triggers are more than %d", len(triggers), maxTriggers), "split the function")
		return
	}
	for i := range triggers {
		c.checkTrigger(fmt.Sprintf("%s[%d]", path, i), &triggers[i])
	}
	c.checkOverlaps(triggers)
}

func (c *checker) checkTrigger(path string, t *Trigger) {
	var set []string
	if t.Event != nil {
		set = append(set, "event")
		c.checkEvent(path+".event", t.Event)
	}
	if t.Schedule != nil {
		set = append(set, "schedule")
		c.checkSchedule(path+".schedule", t.Schedule)
	}
	if t.HTTP != nil {
		set = append(set, "http")
		c.checkHTTP(path+".http", t.HTTP)
	}
	switch {
	case len(set) == 0:
		c.add(path, "it is none of event, schedule and http", triggersHint)
	case len(set) > 1:
		c.add(path, "it is "+strings.Join(set, " and ")+" at once", "make each a list item of its own")
	}
}

func (c *checker) checkEvent(path string, e *EventTrigger) {
	if !validStream(e.Stream) {
		c.add(path+".stream", missingOr(e.Stream, "is not a stream name"), "write letters, digits, - and _, such as EVENTS")
	} else if strings.HasPrefix(e.Stream, "PELTON_") {
		c.add(path+".stream", e.Stream+" is reserved for Pelton", "write EVENTS, or a stream of your own")
	}
	if len(e.Subjects) == 0 {
		c.add(path+".subjects", "there is no subject", "write subjects: [events.hello]")
	}
	for i, subject := range e.Subjects {
		if err := ValidSubject(subject); err != nil {
			c.add(fmt.Sprintf("%s.subjects[%d]", path, i), err.Error(),
				"write words joined by dots, such as events.orders.created, events.orders.* or events.>")
		}
	}
	if len(e.Filter) > maxFilter {
		message := fmt.Sprintf("it has %d bytes, more than %d", len(e.Filter), maxFilter)
		c.add(path+".filter", message, "move the decision into the handler")
	}
}

// validStream follows the server's rules: a stream's name is part of subjects and the name of a directory.
func validStream(name string) bool {
	bad := func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`.*>/\`, r)
	}
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, bad)
}

// subjectRef is a subject and where in the function it stands.
type subjectRef struct {
	trigger       int
	subject, path string
}

// checkOverlaps finds subjects of one trigger that some event would match twice: one of them says nothing that the others do not.
// Two triggers may ask for the same event, each with its filter.
func (c *checker) checkOverlaps(triggers []Trigger) {
	var refs []subjectRef
	for i, t := range triggers {
		if t.Event == nil {
			continue
		}
		for j, subject := range t.Event.Subjects {
			if ValidSubject(subject) == nil {
				path := fmt.Sprintf("spec.triggers[%d].event.subjects[%d]", i, j)
				refs = append(refs, subjectRef{i, subject, path})
			}
		}
	}
	if len(refs) > maxSubjects {
		message := fmt.Sprintf("%d subjects are more than %d", len(refs), maxSubjects)
		c.add("spec.triggers", message, "use wildcards, or split the function")
		return
	}
	for i, ref := range refs {
		overlaps := func(r subjectRef) bool { return r.trigger == ref.trigger && SubjectsOverlap(r.subject, ref.subject) }
		if j := slices.IndexFunc(refs[:i], overlaps); j >= 0 {
			c.add(ref.path, fmt.Sprintf("%s overlaps %s of %s, and an event that matches both is given only once",
				quote(ref.subject), quote(refs[j].subject), refs[j].path), "make them disjoint, or keep the wider one")
		}
	}
}

func (c *checker) checkSchedule(path string, s *ScheduleTrigger) {
	if message, hint := checkCron(s.Cron); message != "" {
		c.add(path+".cron", message, hint)
	}
	// Local is the zone of whichever machine reads it, which is the opposite of naming one.
	if _, err := time.LoadLocation(s.TimeZone); err != nil || !isZoneName(s.TimeZone) || s.TimeZone == "Local" {
		c.add(path+".timeZone", missingOr(s.TimeZone, "is not a known time zone"), "write a name such as Europe/Oslo or UTC")
	}
}

// isZoneName leaves out other spellings of the path of a zone's file.
func isZoneName(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`).MatchString(s)
}

func (c *checker) checkHTTP(path string, h *HTTPTrigger) {
	if message := checkPath(h.Path); message != "" {
		c.add(path+".path", message, "write a path such as /thumbnails or /shop/orders, or /shop/* for all below")
	}
	switch h.Mode {
	case ModeAsync, ModeSync:
	default:
		c.add(path+".mode", missingOr(h.Mode, "is not a mode"), "write async or sync")
	}
	c.checkMethods(path+".methods", h.Methods)
	c.checkWebhook(path, h)
	c.checkMaxBody(path, h)
	c.checkCallbacks(path, h)
}

func (c *checker) checkMethods(path string, methods []string) {
	allowed := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	hint := "write some of " + strings.Join(allowed, ", ")
	if len(methods) == 0 {
		c.add(path, "there is no method", hint)
	}
	for i, method := range methods {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case !slices.Contains(allowed, method):
			c.add(at, missingOr(method, "is not an allowed method"), hint)
		case slices.Contains(methods[:i], method):
			c.add(at, method+" is listed twice", "keep one of them")
		}
	}
}

// maxPath bounds an HTTP path.
const maxPath = 255

// checkPath returns what is wrong with an HTTP path. Only characters that never need escaping are allowed, so that two
// spellings of one path cannot exist.
func checkPath(path string) string {
	switch {
	case path == "":
		return "it is missing"
	case path[0] != '/':
		return quote(path) + " does not begin with /"
	case len(path) > maxPath:
		return fmt.Sprintf("it has %d bytes, more than %d", len(path), maxPath)
	case path == "/", path == "/*":
		return ""
	}
	segments := strings.Split(strings.TrimSuffix(path, "/*")[1:], "/")
	for _, segment := range segments {
		switch {
		case segment == "":
			return quote(path) + " has an empty segment"
		case segment == "." || segment == "..":
			return quote(path) + " has the segment " + segment
		case strings.ContainsFunc(segment, func(r rune) bool { return !isPathRune(r) }):
			return quote(path) + " has a character other than letters, digits and -._~"
		}
	}
	if slices.Contains([]string{"events", "invocations", "healthz", "livez", "readyz", "metrics", "debug", "pelton"}, segments[0]) {
		return quote(path) + " is reserved: Pelton itself answers below /" + segments[0]
	}
	return ""
}

func isPathRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r)
}
