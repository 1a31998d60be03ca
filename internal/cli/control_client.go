package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// errNoFunction is the control server's answer about a function that it does not know.
var errNoFunction = errors.New("no such function")

// controlClient asks a running `pelton up`.
type controlClient struct{ http *http.Client }

// control connects to the `pelton up` that runs here.
func (a *app) control() (*controlClient, error) {
	state, err := a.runningUp()
	if err != nil {
		return nil, err
	}
	return newControlClient(state.ControlSocket), nil
}

func newControlClient(socket string) *controlClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &controlClient{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

func (c *controlClient) list(ctx context.Context) ([]functionView, error) {
	var l list[functionView]
	err := c.do(ctx, http.MethodGet, "/functions", nil, &l)
	return l.Items, err
}

func (c *controlClient) describe(ctx context.Context, key function.Key) (functionView, error) {
	var v functionView
	err := c.do(ctx, http.MethodGet, "/functions/"+key.Namespace+"/"+key.Name, nil, &v)
	return v, err
}

// hold fixes the number of replicas of a function; nil has work decide again.
func (c *controlClient) hold(ctx context.Context, key function.Key, replicas *int) error {
	body, err := json.Marshal(held{replicas})
	if err != nil {
		return fmt.Errorf("encode the number of replicas: %w", err)
	}
	return c.do(ctx, http.MethodPut, "/functions/"+key.Namespace+"/"+key.Name+"/held", body, new(held))
}

func (c *controlClient) invoke(ctx context.Context, key function.Key, e *event.Event) (invocation, error) {
	var i invocation
	err := c.do(ctx, http.MethodPost, "/functions/"+key.Namespace+"/"+key.Name+"/invoke", event.AppendJSON(nil, e), &i)
	return i, err
}

func (c *controlClient) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://pelton"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask pelton up: %w", err)
	}
	resp, err := c.http.Do(req)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &Error{Exit: ExitUnreachable, Message: "pelton up does not answer", Cause: err}
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask pelton up: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(data, out); err != nil {
			return fmt.Errorf("read the answer of pelton up: %w", err)
		}
		return nil
	case http.StatusNotFound:
		return errNoFunction
	default:
		return fmt.Errorf("ask pelton up: %s: %s", resp.Status, bytes.TrimSpace(data))
	}
}

// unknownFunction says that there is no such function, and which one may have been meant.
func (c *controlClient) unknownFunction(ctx context.Context, key function.Key) error {
	e := &Error{Exit: ExitNotFound, Message: fmt.Sprintf("there is no function %s", key), Hint: "pelton functions list"}
	views, err := c.list(ctx)
	if err != nil {
		return e
	}
	var names []string
	for _, v := range views {
		names = append(names, v.key().String())
	}
	if near := closest(key.String(), names); near != "" {
		e.Hint = "did you mean " + near + "? pelton functions list"
	}
	return e
}
