// Command hello greets whoever an event names: the smallest function on the Go SDK.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func main() {
	if err := functions.Serve(greet); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// greet answers {"name": "you"} with a greeting, which is published on the manifest's reply.subject.
func greet(_ context.Context, e event.Event) (*event.Event, error) {
	var who struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(e.Data(), &who); err != nil || who.Name == "" {
		return nil, functions.Reject(`want data such as {"name": "you"}`)
	}
	greeting := fmt.Sprintf("hello, %s", who.Name)
	fmt.Fprintln(os.Stderr, greeting)

	reply := event.New()
	reply.SetType("greeting")
	err := reply.SetData("application/json", map[string]string{"greeting": greeting})
	return &reply, err
}
