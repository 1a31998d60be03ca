package event

// validTime reports whether s is a date-time of RFC 3339. A leap second is one; time.Parse says it is not, and the value is
// never turned into a time.Time here, so it is kept as it was written.
func validTime(s string) bool {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return false
	}
	year, month, day := digits(s[0:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return false
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return false
	}
	return validZone(skipFraction(s[19:]))
}

// skipFraction removes ".123"; a lone dot stays and makes the zone invalid.
func skipFraction(s string) string {
	if len(s) < 2 || s[0] != '.' || !isDigit(s[1]) {
		return s
	}
	i := 1
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[i:]
}

func validZone(s string) bool {
	if len(s) == 1 {
		return s[0]|0x20 == 'z'
	}
	if len(s) != len("+00:00") || (s[0] != '+' && s[0] != '-') || s[3] != ':' {
		return false
	}
	hour, minute := digits(s[1:3]), digits(s[4:6])
	return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59
}

// digits reads an unsigned decimal number, or returns -1.
func digits(s string) int {
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
