package function

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/netresearch/go-cron"
)

// The descriptors a schedule may use in place of five fields. NATS knows them under the same names.
func cronDescriptors() []string {
	return []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly"}
}

// maxCron bounds a cron expression, in characters.
const maxCron = 1024

const cronHint = `write minute hour day month weekday, such as "0 3 * * *" for 03:00 every day, or @hourly, @daily, ` +
	`@weekly, @monthly, @yearly`

// NATSPattern returns the schedule as NATS's scheduler writes it: six fields, seconds first, or a descriptor.
func (s *ScheduleTrigger) NATSPattern() string {
	if strings.HasPrefix(s.Cron, "@") {
		return s.Cron
	}
	return "0 " + strings.Join(strings.Fields(s.Cron), " ")
}

// Next returns the first time after the given one at which s fires, in its time zone; the zero time if it never does.
//
// It is for showing to people. What fires is NATS's scheduler, which differs in one case: a time that the change to summer
// time skips is shown here as moved to after the gap, and NATS leaves it out.
func (s *ScheduleTrigger) Next(after time.Time) time.Time {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.Time{}
	}
	schedule, err := parseCron(s.Cron)
	if err != nil {
		return time.Time{}
	}
	return schedule.Next(after.In(zone))
}

// parseCron reads five fields or a descriptor. When both day and weekday are restricted, either is enough: that is what
// crontab(5) says and what NATS does, and not what the library does unless asked.
func parseCron(expr string) (cron.Schedule, error) {
	const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow
	parser, err := cron.TryNewParser(fields | cron.DowOrDom | cron.Descriptor)
	if err != nil {
		return nil, err
	}
	if parts := strings.Fields(expr); len(parts) == 5 {
		parts[4] = endWeekOnSaturday(parts[4])
		expr = strings.Join(parts, " ")
	}
	return parser.Parse(expr)
}

// endWeekOnSaturday writes out the open-ended steps of the weekday field. The library counts 7 as Sunday too, so its 1/2
// would reach Sunday; for NATS the week ends at 6.
func endWeekOnSaturday(field string) string {
	items := strings.Split(field, ",")
	for i, item := range items {
		start, stepText, _ := strings.Cut(item, "/")
		if start == "*" || start == "?" {
			start = "SUN"
		}
		day, known := cronNumber(4, start)
		step, err := strconv.Atoi(stepText)
		if !known || err != nil || step < 2 {
			continue
		}
		items[i] = strconv.Itoa(day)
		for day += min(step, 7); day <= 6; day += step { // a step of any size stays out of overflow
			items[i] += "," + strconv.Itoa(day)
		}
	}
	return strings.Join(items, ",")
}

// checkCron returns what is wrong with a cron expression and what to write instead; an empty message is a good one. It is
// stricter than the library, because NATS has to accept the expression too.
func checkCron(expr string) (message, hint string) {
	fields := strings.Fields(expr)
	switch upper := strings.ToUpper(expr); {
	case expr == "":
		return "the schedule has no cron expression", cronHint
	case utf8.RuneCountInString(expr) > maxCron:
		return fmt.Sprintf("%s has more than %d characters", quote(expr), maxCron), "write it as several triggers"
	case strings.HasPrefix(upper, "TZ="), strings.HasPrefix(upper, "CRON_TZ="):
		return quote(expr) + " sets a time zone inside the expression", "delete it and write timeZone: Europe/Oslo beside cron"
	case strings.HasPrefix(expr, "@") && slices.Contains(cronDescriptors(), expr):
		return "", ""
	case strings.HasPrefix(expr, "@"):
		return quote(expr) + " is not a known descriptor", "write five fields, or " + strings.Join(cronDescriptors(), ", ")
	case len(fields) == 6:
		return quote(expr) + " has 6 fields, and seconds are not supported", cronHint
	case len(fields) != 5:
		return fmt.Sprintf("%s has %d fields, and a cron expression has 5", quote(expr), len(fields)), cronHint
	}
	for i, field := range fields {
		if message, hint := checkCronField(i, field); message != "" {
			return quote(expr) + ": " + message, hint
		}
	}
	return checkFires(expr)
}

// checkFires looks for the first time from a leap year on: whatever can happen at all happens within four years of it.
func checkFires(expr string) (message, hint string) {
	schedule, err := parseCron(expr)
	if err != nil {
		return fmt.Sprintf("%s is not a cron expression: %v", quote(expr), err), cronHint
	}
	if schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return quote(expr) + " never fires: no month it names has such a day", "write a day the month has, such as 28 for month 2"
	}
	return "", ""
}

// cronNames are the names that stand for numbers, by field.
func cronNames(field int) []string {
	switch field {
	case 3:
		return []string{"", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	case 4:
		return []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	}
	return nil
}

// checkCronField refuses what the library would take and NATS would not: extensions, ranges over the end, weekday 7.
func checkCronField(field int, text string) (message, hint string) {
	if i := strings.IndexFunc(text, func(r rune) bool { return !isCronRune(r) }); i >= 0 {
		return fmt.Sprintf("%q is not allowed in a field", []rune(text[i:])[0]), cronHint
	}
	for item := range strings.SplitSeq(text, ",") {
		values, _, _ := strings.Cut(item, "/")
		first, last, isRange := strings.Cut(values, "-")
		from, fromKnown := cronNumber(field, first)
		to, toKnown := cronNumber(field, last)
		switch {
		case item == "":
			return quote(text) + " has an empty item", "delete the spare comma"
		case field == 4 && (fromKnown && from == 7 || toKnown && to == 7):
			return "weekday 7 is not supported", "write 0 or SUN for Sunday"
		case fromKnown && from > cronLast(field), toKnown && to > cronLast(field):
			return fmt.Sprintf("%s is over %d, the last value of the field", quote(values), cronLast(field)), cronHint
		case isRange && !(fromKnown && toKnown):
			return quote(values) + " is not a range", "write two numbers, such as 9-17"
		case isRange && from > to:
			return "the range " + quote(values) + " runs backwards", "write it in two parts, such as 22-23,0-2"
		}
	}
	return "", ""
}

// cronLast is the greatest value of a field. The library lets some greater ones pass when a step follows them.
func cronLast(field int) int { return [...]int{59, 23, 31, 12, 6}[field] }

func isCronRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("*/,-?", r)
}

// cronNumber reads a number or a name of the given field.
func cronNumber(field int, text string) (n int, known bool) {
	if i := slices.Index(cronNames(field), strings.ToUpper(text)); i >= 0 && text != "" {
		return i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
