// Command worker is the handler of the lab's tests: an event says how long it works and how often it fails, and the reply
// tells what happened.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// order is what an event asks for.
type order struct {
	ID         string `json:"id"`
	WorkMillis int    `json:"workMillis,omitempty"`
	Fail       int    `json:"fail,omitempty"`        // attempts that end in a retry
	RetryAfter int    `json:"retryAfterS,omitempty"` // of those
}

// receipt is the reply to an order that was carried out.
type receipt struct {
	ID           string    `json:"id"`
	Replica      string    `json:"replica"`
	Attempt      int       `json:"attempt"`
	Redeliveries int       `json:"redeliveries"`
	Started      time.Time `json:"started"`
	Ended        time.Time `json:"ended"`
}

func main() {
	if err := functions.Serve(work); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func work(ctx context.Context, e event.Event) (*event.Event, error) {
	started := time.Now()
	var o order
	if err := json.Unmarshal(e.Data(), &o); err != nil {
		return nil, functions.Reject("data is not an order: " + err.Error())
	}
	d := functions.FromContext(ctx)
	fmt.Fprintf(os.Stderr, "%s: attempt %d\n", o.ID, d.Attempt)
	if d.Attempt <= o.Fail {
		return nil, functions.Retry(time.Duration(o.RetryAfter)*time.Second, errors.New("as ordered"))
	}
	select {
	case <-time.After(time.Duration(o.WorkMillis) * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	reply := event.New()
	reply.SetType("receipt")
	err := reply.SetData("application/json", receipt{
		ID: o.ID, Replica: d.Replica, Attempt: d.Attempt, Redeliveries: d.Redeliveries, Started: started, Ended: time.Now(),
	})
	return &reply, err
}
