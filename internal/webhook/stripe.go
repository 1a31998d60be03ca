package webhook

import (
	"encoding/json"
	"strings"
	"time"
)

// readStripe follows Stripe: the time and the body are signed, with a dot between them. One header has the time and a signature
// for each secret that is valid.
func readStripe(r Request, keys [][]byte) (Delivery, error) {
	at, signatures, err := stripeSignatures(r)
	if err != nil {
		return Delivery{}, err
	}
	if _, err := checkTime("the time t of the header Stripe-Signature", at, r.Now); err != nil {
		return Delivery{}, err
	}
	if !signed(keys, inHex, signatures, []byte(at+"."), r.Body) {
		return Delivery{}, notSigned()
	}
	return stripeEvent(r)
}

const stripeSignature = "t=TIME,v1=SIGNATURE"

// stripeSignatures reads "t=TIME,v1=SIGNATURE,v1=SIGNATURE"; signatures of other versions are passed over.
func stripeSignatures(r Request) (at string, list []string, err error) {
	line, err := Stripe.signature(r.Header)
	if err != nil {
		return "", nil, err
	}
	items := strings.Split(line, ",")
	if len(items) > maxSignatures {
		return "", nil, refuse(Malformed, "the header Stripe-Signature has %d items: want at most %d", len(items), maxSignatures)
	}
	for _, item := range items {
		name, value, ok := strings.Cut(item, "=")
		switch {
		case !ok || name == "t" && at != "":
			return "", nil, refuse(Malformed, "the header Stripe-Signature is not what Stripe sends: want %s", stripeSignature)
		case name == "t":
			at = value
		case name == "v1":
			list = append(list, value)
		}
	}
	if at == "" || len(list) == 0 {
		return "", nil, refuse(Unsigned, "the header Stripe-Signature has no time t or no signature v1: want %s", stripeSignature)
	}
	return at, list, nil
}

// stripePayload is an event of Stripe. Created is a number of seconds, or a text where the event is a thin one.
type stripePayload struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Created json.RawMessage `json:"created"`
	Data    struct {
		Object struct {
			ID string `json:"id"`
		} `json:"object"`
	} `json:"data"`
	Related struct {
		ID string `json:"id"`
	} `json:"related_object"`
}

func stripeEvent(r Request) (Delivery, error) {
	var p stripePayload
	if err := readJSON(r, &p, "Stripe sends it so"); err != nil {
		return Delivery{}, err
	}
	if err := checkID("the id of Stripe's event", p.ID); err != nil {
		return Delivery{}, err
	}
	if !plainName(p.Type) {
		return Delivery{}, refuse(Malformed, "the type of Stripe's event is not a name: want one such as invoice.paid")
	}
	e := newEvent(r, p.ID, "com.stripe."+p.Type)
	if e.Subject = subjectOf(p.Data.Object.ID); e.Subject == "" {
		e.Subject = subjectOf(p.Related.ID)
	}
	var seconds int64
	var written time.Time
	if json.Unmarshal(p.Created, &seconds) == nil {
		e.Time = unix(seconds, e.Time)
	} else if json.Unmarshal(p.Created, &written) == nil {
		e.Time = written.UTC().Format(time.RFC3339Nano)
	}
	return Delivery{Event: e}, nil
}
