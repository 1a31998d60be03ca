// Command teller is the handler of the lab's tests under load: it tells a ledger, at the address in LEDGER, which event it handles,
// in which attempt and replica, and what it was given by reference.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func main() {
	if err := functions.Serve(tell); err != nil {
		fmt.Fprintln(os.Stderr, "teller:", err)
		os.Exit(1)
	}
}

func tell(ctx context.Context, e event.Event) (*event.Event, error) {
	var order struct {
		ID     string `json:"id"`
		Millis int    `json:"millis"`
	}
	if err := json.Unmarshal(e.Data(), &order); err != nil || order.ID == "" {
		return nil, functions.Reject(`want data such as {"id": "1"}`)
	}
	select {
	case <-time.After(time.Duration(order.Millis) * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d := functions.FromContext(ctx)
	file, err := os.ReadFile(os.Getenv("SECRET_FILE"))
	if err != nil && os.Getenv("SECRET_FILE") != "" {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{
		"id": order.ID, "replica": d.Replica, "attempt": d.Attempt, "version": os.Getenv("VERSION"),
		"secret": os.Getenv("SECRET"), "file": string(file),
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("LEDGER"), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return nil, resp.Body.Close()
}
