package functions_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// greet is a whole function: it reads the data, refuses what will never work, asks for time when it needs some, and
// answers with an event.
func greet(ctx context.Context, e event.Event) (*event.Event, error) {
	var who struct{ Name string }
	if err := e.DataAs(&who); err != nil {
		return nil, functions.Reject("the data is not JSON")
	}
	if who.Name == "" && functions.FromContext(ctx).Attempt < 3 {
		return nil, functions.Retry(10 * time.Second)
	}
	reply := event.New()
	reply.SetType("greeting")
	return &reply, reply.SetData(event.ApplicationJSON, map[string]string{"greeting": "Hello, " + who.Name + "!"})
}

// A program is a function and a call of Serve.
func Example() {
	main := func() {
		if err := functions.Serve(greet); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	runWith(main, `{"name":"Ada"}`, `{}`, `no JSON`)
	// Output:
	// 200 {"greeting":"Hello, Ada!"}
	// 503 retry after 10s (Retry-After: 10)
	// 422 the data is not JSON
}

// runWith starts the program as a sidecar would that speaks HTTP over a unix socket, posts events, and stops it.
func runWith(main func(), events ...string) {
	dir, err := os.MkdirTemp("", "pelton")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := filepath.Join(dir, "s")
	_ = os.Setenv("PELTON_SOCKET", socket)
	_ = os.Setenv("PELTON_PROTOCOL", "cloudevents")
	ended := make(chan struct{})
	go func() { main(); close(ended) }()
	client := &http.Client{Transport: &http.Transport{DialContext: dialer(socket)}}
	for _, data := range events {
		post(client, data)
	}
	client.CloseIdleConnections()
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	<-ended
}

// dialer waits until the program listens.
func dialer(socket string) func(ctx context.Context, _, _ string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		for {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err == nil {
				return conn, nil
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return nil, err
			}
		}
	}
}

func post(client *http.Client, data string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://function/", strings.NewReader(data))
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/example", "ce-type": "example", "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	line := fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body)))
	if after := answer.Header.Get("Retry-After"); after != "" {
		line += " (Retry-After: " + after + ")"
	}
	fmt.Println(line)
}
