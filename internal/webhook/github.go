package webhook

import (
	"encoding/json"
	"strings"
)

// readGitHub follows GitHub: the body is signed, and nothing else. The headers that name the event and the delivery are not.
func readGitHub(r Request, keys [][]byte) (Delivery, error) {
	signature, err := GitHub.signature(r.Header)
	if err != nil {
		return Delivery{}, err
	}
	id, err := header(r.Header, "X-Github-Delivery", "the id of the delivery")
	if err != nil {
		return Delivery{}, err
	}
	kind, err := header(r.Header, "X-Github-Event", "the name of the event, such as push")
	if err != nil {
		return Delivery{}, err
	}
	if err := checkID("the header X-GitHub-Delivery", id); err != nil {
		return Delivery{}, err
	}
	if !plainName(kind) {
		return Delivery{}, refuse(Malformed, "the header X-GitHub-Event is not the name of an event: want one such as push")
	}
	withPrefix := func(sum []byte) string { return "sha256=" + inHex(sum) }
	if !signed(keys, withPrefix, []string{signature}, r.Body) {
		return Delivery{}, notSigned()
	}
	return githubEvent(r, id, kind)
}

// githubPayload is what payloads of GitHub have in common.
type githubPayload struct {
	Action string      `json:"action"`
	Ref    string      `json:"ref"`
	Number json.Number `json:"number"`
	Issue  struct {
		Number json.Number `json:"number"`
	} `json:"issue"`
	Repository struct {
		HTMLURL string `json:"html_url"`
	} `json:"repository"`
}

func githubEvent(r Request, id, kind string) (Delivery, error) {
	var p githubPayload
	if err := readJSON(r, &p, "choose it in the settings of the webhook"); err != nil {
		return Delivery{}, err
	}
	if plainName(p.Action) {
		kind += "." + p.Action
	}
	e := newEvent(r, id, "com.github."+kind)
	if rest, ok := strings.CutPrefix(p.Repository.HTMLURL, "https://"); ok && plainName(rest) && !strings.Contains(rest, ":") {
		e.Source = p.Repository.HTMLURL
	}
	switch {
	case p.Ref != "":
		e.Subject = subjectOf(p.Ref)
	case p.Number != "":
		e.Subject = subjectOf(p.Number.String())
	default:
		e.Subject = subjectOf(p.Issue.Number.String())
	}
	return Delivery{Event: e}, nil
}
