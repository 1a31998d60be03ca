// Command worker is the handler of the lab's tests: an event says how long it works and how often it fails. It writes down when
// each call begins and ends, in a folder of the host, and replies with a receipt.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// line is one line of the ledger: a call has begun or ended. It is there whatever becomes of the reply.
type line struct {
	ID      string    `json:"id"`
	What    string    `json:"what"` // begin or end
	Replica string    `json:"replica"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
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
	l := line{ID: o.ID, Replica: d.Replica, Attempt: d.Attempt, What: "begin", At: started}
	if err := write(l); err != nil {
		return nil, err
	}
	if d.Attempt <= o.Fail {
		return nil, functions.Retry(time.Duration(o.RetryAfter)*time.Second, errors.New("as ordered"))
	}
	select {
	case <-time.After(time.Duration(o.WorkMillis) * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.What, l.At = "end", time.Now()
	if err := write(l); err != nil {
		return nil, err
	}
	reply := event.New()
	reply.SetType("receipt")
	return &reply, reply.SetData("application/json", map[string]string{"id": o.ID})
}

// write adds a line to the ledger of this replica, in one write.
func write(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join("/ledger", l.Replica), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}
