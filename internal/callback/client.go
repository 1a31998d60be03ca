package callback

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Timeout is how long a receiver may take to answer.
const Timeout = 15 * time.Second

// What is read of an answer, in bytes. Nothing of it is of use but to keep the connection.
const (
	maxAnswer = 64 << 10
	maxHeader = 16 << 10
)

// maxRetryAfter bounds what a receiver can ask for.
const maxRetryAfter = time.Hour

// Client sends results.
type Client struct {
	http  *http.Client
	reach func(netip.Addr) error // says why an address may not be reached
}

// NewClient makes a client. It follows no redirect, asks no proxy, and reaches nothing but the public Internet.
func NewClient() *Client { return newClient(public, nil) }

func newClient(reach func(netip.Addr) error, trusted *tls.Config) *Client {
	c := &Client{reach: reach}
	dialer := &net.Dialer{Timeout: Timeout / 3, Control: c.control}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: trusted, ForceAttemptHTTP2: true, TLSHandshakeTimeout: Timeout / 3,
			MaxIdleConns: 32, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       Timeout,
	}
	return c
}

// Close ends connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Message is what is sent.
type Message struct {
	To     *url.URL
	Header http.Header // who has sent it signs there
	Body   []byte
}

// Verdict is what the answer of a receiver means.
type Verdict int

// The verdicts.
const (
	Again     Verdict = iota // it may take it later
	Delivered                // it has it
	Gone                     // it never wants it
)

// Answer is what came of a try.
type Answer struct {
	Verdict    Verdict
	Status     int           // 0 without an answer
	RetryAfter time.Duration // Again: what the receiver asks for; 0 is nothing
}

// Send makes one try. An error means that there was no answer; it may be tried again.
func (c *Client) Send(ctx context.Context, m Message) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.To.String(), bytes.NewReader(m.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("send callback: %w", err)
	}
	r.Header = m.Header
	resp, err := c.http.Do(r)
	if err != nil {
		return Answer{}, fmt.Errorf("send callback: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // only for the connection's sake
	return answerOf(resp, time.Now()), nil
}

// withoutURL leaves out the address, whose query may be a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func answerOf(resp *http.Response, now time.Time) Answer {
	a := Answer{Status: resp.StatusCode}
	switch {
	case a.Status >= 200 && a.Status < 300:
		a.Verdict = Delivered
	case a.Status == http.StatusGone:
		a.Verdict = Gone
	default:
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	}
	return a
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
