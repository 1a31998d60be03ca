package bridge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/result"
)

const (
	// maxWait is for how long at most somebody waits for the end of a call. He may ask again.
	maxWait = time.Minute

	// lateInterest is after what time a record is looked at once more. In a cluster of NATS servers it takes a moment until all of
	// them know who listens, and what is stored within that moment is not heard of.
	lateInterest = time.Second
)

// waitOf is for how long a request says that it wants to wait.
func waitOf(r *http.Request) (time.Duration, *problem) {
	if r.URL.RawQuery == "" {
		return 0, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, kindQuery.refuse("The query cannot be read. %s", queryRule).because(err)
	}
	for name := range values {
		if name != "wait" {
			return 0, kindQuery.refuse("The query has %q, which means nothing here. %s", clip(name), queryRule)
		}
	}
	list := values["wait"]
	if len(list) != 1 {
		return 0, kindQuery.refuse("The query has wait %d times. %s", len(list), queryRule)
	}
	wait, err := parseWait(list[0])
	if err != nil {
		return 0, kindQuery.refuse("wait is %q. %s", clip(list[0]), queryRule)
	}
	return min(wait, maxWait), nil
}

const queryRule = "Use ?wait=30s: seconds, or a number with a unit (500ms, 30s, 1m), not negative; more than a minute is a minute."

var errWait = errors.New("it is no time to wait")

func parseWait(text string) (time.Duration, error) {
	const maxText = 16
	wait, err := time.ParseDuration(text)
	if seconds, plain := strconv.ParseUint(text, 10, 32); plain == nil {
		wait, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || wait < 0 || len(text) > maxText {
		return 0, errWait
	}
	return wait, nil
}

// awaitEnd waits until a call has come to something, and returns what is known of it then, or when the time is over, or this server stops.
// Nothing is asked for in between: what is stored is heard of.
func (s *Server) awaitEnd(w http.ResponseWriter, r *http.Request, id result.ID, wait time.Duration) (result.Record, *problem) {
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	hold(ctx, w)
	ended := make(chan result.Record, 1)
	stop, err := result.Watch(ctx, s.conn, id, ended)
	if err != nil && ctx.Err() == nil {
		return result.Record{}, kindUnavailable.refuse("The end of the call cannot be awaited at the moment. Ask again later.").because(err).retryLater()
	}
	if err == nil {
		defer stop()
	}
	for late := (<-chan time.Time)(time.After(lateInterest)); ; late = nil {
		record, p := s.recordOf(r, id) // it may have ended before anybody listened
		if p != nil || record.State.Final() {
			return record, p
		}
		select {
		case record = <-ended:
			return record, nil
		case <-late:
			continue
		case <-s.stopping:
		case <-ctx.Done():
		}
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // there is nobody to answer
		}
		return s.recordOf(r, id)
	}
}
