package waypost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	idempotencyKey = "Idempotency-Key"
	tenantHeader   = "Waypost-Tenant"
	firstPause     = 250 * time.Millisecond
	longestPause   = 30 * time.Second
)

// request is what a method asks for. headers has an entry for each header that the operation takes; the client fills in
// the empty ones that it knows.
type request struct {
	method  string
	path    string
	query   url.Values
	headers map[string]string
	body    any
}

// newRequest returns a request for a path, whose %s are replaced by these references, each escaped as one segment.
func newRequest(method, path string, refs ...string) *request {
	escaped := make([]any, len(refs))
	for i, ref := range refs {
		escaped[i] = url.PathEscape(ref)
	}
	return &request{
		method:  method,
		path:    fmt.Sprintf(path, escaped...),
		query:   url.Values{},
		headers: map[string]string{},
	}
}

func setQuery[T any](request *request, name string, value *T) {
	if value == nil {
		return
	}
	switch value := any(*value).(type) {
	case time.Time:
		request.query.Set(name, value.Format(time.RFC3339Nano))
	default:
		request.query.Set(name, fmt.Sprint(value))
	}
}

func (r *request) setHeader(name string, value *string) {
	r.headers[name] = ""
	if value != nil {
		r.headers[name] = *value
	}
}

// send sends a request, again if that may help, and returns the body of a successful response.
func (c *Client) send(ctx context.Context, request *request) ([]byte, error) {
	sent, err := c.prepare(request)
	if err != nil {
		return nil, err
	}
	pause := firstPause
	for left := c.attempts - 1; ; left-- {
		body, err := c.attempt(ctx, sent)
		if err == nil || left == 0 || ctx.Err() != nil || !mayRepeat(sent, err) {
			return body, err
		}
		jittered := time.Duration(float64(pause) * (0.5 + mathrand.Float64()/2))
		if err := sleep(ctx, max(jittered, min(retryAfter(err), longestPause))); err != nil {
			return nil, err
		}
		pause = min(pause*2, longestPause)
	}
}

// prepared is a request with all headers and its body as bytes, so that each attempt sends the same.
type prepared struct {
	method  string
	url     string
	headers http.Header
	body    []byte
}

func (c *Client) prepare(request *request) (*prepared, error) {
	sent := &prepared{method: request.method, url: c.address + request.path, headers: http.Header{}}
	if len(request.query) > 0 {
		sent.url += "?" + request.query.Encode()
	}
	for name, value := range request.headers {
		if value == "" && name == tenantHeader {
			value = c.tenant
		}
		if value == "" && name == idempotencyKey {
			value = rand.Text()
		}
		if value != "" {
			sent.headers.Set(name, value)
		}
	}
	sent.headers.Set("Authorization", "Bearer "+c.key)
	sent.headers.Set("Accept", "application/json, */*")
	sent.headers.Set("User-Agent", userAgent)
	if request.body != nil {
		body, err := json.Marshal(request.body)
		if err != nil {
			return nil, fmt.Errorf("waypost: body of %s %s: %w", request.method, request.path, err)
		}
		sent.body = body
		sent.headers.Set("Content-Type", "application/json")
	}
	return sent, nil
}

func (c *Client) attempt(ctx context.Context, sent *prepared) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	httpRequest, err := http.NewRequestWithContext(ctx, sent.method, sent.url, bytes.NewReader(sent.body))
	if err != nil {
		return nil, fmt.Errorf("waypost: %w", err)
	}
	httpRequest.Header = sent.headers.Clone()
	response, err := c.http.Do(httpRequest)
	if err != nil {
		return nil, &notConnected{err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, &notConnected{err}
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, errorOf(response, body)
	}
	return body, nil
}

// mayRepeat tells whether the request can be sent again. A POST without an Idempotency-Key only if nothing was done yet.
func mayRepeat(sent *prepared, err error) bool {
	changesNothingTwice := sent.method != http.MethodPost || sent.headers.Get(idempotencyKey) != ""
	var failed *Error
	if errors.As(err, &failed) {
		switch failed.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			return true
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return changesNothingTwice
		}
		return false
	}
	var dialed *net.OpError
	wasNotSent := errors.As(err, &dialed) && dialed.Op == "dial"
	return errors.Is(err, ErrNotConnected) && (changesNothingTwice || wasNotSent)
}

func retryAfter(err error) time.Duration {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.RetryAfter
	}
	return 0
}

func seconds(text string) time.Duration {
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil || number > math.MaxInt32 {
		return 0
	}
	return time.Duration(number) * time.Second
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
