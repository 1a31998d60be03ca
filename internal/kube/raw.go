package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LogOptions say which part of a container's log.
type LogOptions struct {
	Container  string
	Follow     bool
	Previous   bool      // of the run before
	Since      time.Time // zero is from the beginning
	Tail       int       // lines from the end; -1 is all
	Timestamps bool      // before each line, with nanoseconds
}

// Logs streams the log of one container. The reader ends with the container if it is followed, and must be closed.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, o LogOptions) (io.ReadCloser, error) {
	query := url.Values{"container": {o.Container}}
	for name, on := range map[string]bool{"follow": o.Follow, "previous": o.Previous, "timestamps": o.Timestamps} {
		if on {
			query.Set(name, "true")
		}
	}
	if !o.Since.IsZero() {
		query.Set("sinceTime", o.Since.UTC().Format(time.RFC3339))
	}
	if o.Tail >= 0 {
		query.Set("tailLines", strconv.Itoa(o.Tail))
	}
	address := c.podURL(namespace, pod, "log", query)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, refusal(res)
	}
	return res.Body, nil
}

func (c *Cluster) podURL(namespace, pod, what string, query url.Values) *url.URL {
	u := c.base.JoinPath("api", "v1", "namespaces", namespace, "pods", pod, what)
	u.RawQuery = query.Encode()
	return u
}

// refusal reads why the apiserver refuses, as the dynamic client does for objects.
func refusal(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("the apiserver answers %s: %w", res.Status, err)
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" && status.Status != metav1.StatusSuccess {
		return &apierrors.StatusError{ErrStatus: status}
	}
	if len(body) == 0 {
		return errors.New("the apiserver answers " + res.Status)
	}
	return fmt.Errorf("the apiserver answers %s: %s", res.Status, body)
}
