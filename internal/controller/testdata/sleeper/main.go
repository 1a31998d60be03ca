// Command sleeper is the handler of the lab's tests of scaling: an event says for how long it is in work. The reply says which
// replica had it, and in which attempt.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func main() {
	if err := functions.Serve(sleep); err != nil {
		fmt.Fprintln(os.Stderr, "sleeper:", err)
		os.Exit(1)
	}
}

func sleep(ctx context.Context, e event.Event) (*event.Event, error) {
	var order struct {
		Millis int `json:"millis"`
	}
	if err := json.Unmarshal(e.Data(), &order); err != nil {
		return nil, functions.Reject(`want data such as {"millis": 100}`)
	}
	select {
	case <-time.After(time.Duration(order.Millis) * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d := functions.FromContext(ctx)
	reply := event.New()
	reply.SetType("slept")
	err := reply.SetData("application/json", map[string]any{"replica": d.Replica, "attempt": d.Attempt, "millis": order.Millis})
	return &reply, err
}
