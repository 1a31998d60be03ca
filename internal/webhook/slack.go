package webhook

import (
	"fmt"
	"strings"
)

// readSlack follows Slack's Events API: its version, the time and the body are signed, with colons between them.
func readSlack(r Request, keys [][]byte) (Delivery, error) {
	signature, err := Slack.signature(r.Header)
	if err != nil {
		return Delivery{}, err
	}
	seconds, err := header(r.Header, "X-Slack-Request-Timestamp", "the time of the request in seconds")
	if err != nil {
		return Delivery{}, err
	}
	if _, err := checkTime("the header X-Slack-Request-Timestamp", seconds, r.Now); err != nil {
		return Delivery{}, err
	}
	withPrefix := func(sum []byte) string { return "v0=" + inHex(sum) }
	if !signed(keys, withPrefix, []string{signature}, []byte("v0:"+seconds+":"), r.Body) {
		return Delivery{}, notSigned()
	}
	return slackEvent(r)
}

// slackPayload is a request of the Events API.
type slackPayload struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	ID        string `json:"event_id"`
	Time      int64  `json:"event_time"`
	Event     struct {
		Type    string `json:"type"`
		Channel string `json:"channel"`
	} `json:"event"`

	// Of app_rate_limited, which has no id.
	Team   string `json:"team_id"`
	Minute int64  `json:"minute_rate_limited"`
}

const maxChallenge = 1024

func slackEvent(r Request) (Delivery, error) {
	var p slackPayload
	if err := readJSON(r, &p, "of what Slack sends only the Events API is taken, and it sends JSON"); err != nil {
		return Delivery{}, err
	}
	switch p.Type {
	case "url_verification":
		if p.Challenge == "" || len(p.Challenge) > maxChallenge || strings.ContainsFunc(p.Challenge, notVisible) {
			return Delivery{}, refuse(Malformed, "Slack's challenge is not one: want 1 to %d visible characters", maxChallenge)
		}
		return Delivery{Challenge: p.Challenge}, nil
	case "app_rate_limited":
		p.ID, p.Event.Type, p.Time = fmt.Sprintf("%s-%s-%d", p.Type, p.Team, p.Minute), p.Type, p.Minute
	case "event_callback":
	default:
		return Delivery{}, refuse(Malformed, "the type of Slack's request is not known: want event_callback, app_rate_limited or url_verification")
	}
	if err := checkID("the event_id of Slack's event", p.ID); err != nil {
		return Delivery{}, err
	}
	if !plainName(p.Event.Type) {
		return Delivery{}, refuse(Malformed, "the type of Slack's event is not a name: want one such as app_mention")
	}
	e := newEvent(r, p.ID, "com.slack."+p.Event.Type)
	e.Subject = subjectOf(p.Event.Channel)
	e.Time = unix(p.Time, e.Time)
	return Delivery{Event: e}, nil
}
