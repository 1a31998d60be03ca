package webhook

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// standardType is the type of an event whose payload names none.
const standardType = "dev.pelton.webhook"

// readStandard follows Standard Webhooks 1.0: the id, the time and the body are signed, with dots between them.
func readStandard(r Request, keys [][]byte) (Delivery, error) {
	id, err := header(r.Header, "Webhook-Id", "the id of the message")
	if err != nil {
		return Delivery{}, err
	}
	if err := checkID("the header Webhook-Id", id); err != nil {
		return Delivery{}, err
	}
	if strings.Contains(id, ".") {
		return Delivery{}, refuse(Malformed, "the header Webhook-Id has a dot, which separates what is signed: want none")
	}
	seconds, err := header(r.Header, "Webhook-Timestamp", "the time of the attempt in seconds")
	if err != nil {
		return Delivery{}, err
	}
	at, err := checkTime("the header Webhook-Timestamp", seconds, r.Now)
	if err != nil {
		return Delivery{}, err
	}
	signatures, err := standardSignatures(r)
	if err != nil {
		return Delivery{}, err
	}
	if !signed(keys, base64.StdEncoding.EncodeToString, signatures, []byte(id+"."+seconds+"."), r.Body) {
		return Delivery{}, notSigned()
	}
	e := newEvent(r, id, standardKind(r.Body))
	e.Time = at.Format(time.RFC3339)
	if e.DataContentType = r.Header.Get("Content-Type"); e.DataContentType == "" {
		e.DataContentType = event.GuessContentType(r.Body)
	}
	return Delivery{Event: e}, nil
}

// standardSignatures lists the signatures of version v1; those of other versions are passed over.
func standardSignatures(r Request) (list []string, err error) {
	text, err := Standard.signature(r.Header)
	if err != nil {
		return nil, err
	}
	all := strings.Fields(text)
	if len(all) > maxSignatures {
		return nil, refuse(Malformed, "the header Webhook-Signature has %d signatures: want at most %d", len(all), maxSignatures)
	}
	for _, s := range all {
		if version, signature, ok := strings.Cut(s, ","); ok && version == "v1" {
			list = append(list, signature)
		}
	}
	if len(list) == 0 {
		return nil, refuse(Unsigned, "the header Webhook-Signature has no signature of version v1: want v1,SIGNATURE")
	}
	return list, nil
}

// standardKind is the type that the specification recommends a payload to name.
func standardKind(body []byte) string {
	var payload struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(body, &payload) != nil || !plainName(payload.Type) {
		return standardType
	}
	return payload.Type
}
