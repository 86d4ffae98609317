// Package waypost calls the API of Waypost and verifies its webhooks.
//
//	client := waypost.New("https://hooks.example.com", "wp_...")
//	result, err := client.CreateEvent(ctx, waypost.EventCreateRequest{Type: "order.paid", Data: order}, nil)
//	for event, err := range client.ListEvents(ctx, nil) { ... }
//
// There is a method for each operation, named by its operationId. A response that is no success is an *[Error], which
// errors.Is tells apart by [ErrNotFound], [ErrConflict] and the others. A request is repeated after a lost connection, 429, 502,
// 503 and 504; a POST has an Idempotency-Key, so that a repeat changes nothing twice.
package waypost

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml -o api.gen.go ../../config/api/openapi.json

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	userAgent       = "waypost-client-go/0.1.0"
	defaultAttempts = 4
	defaultTimeout  = 30 * time.Second // of each attempt
)

// Client calls the API. It may be used by several goroutines at once.
type Client struct {
	address  string
	key      string
	tenant   string
	attempts int
	timeout  time.Duration
	http     *http.Client
}

// Option changes how a Client works.
type Option func(*Client)

// WithTenant says whose resources a platform key means, unless the parameters of a call do.
func WithTenant(tenant string) Option { return func(c *Client) { c.tenant = tenant } }

// WithAttempts sets how often a request is sent at most, the first time included; 4 without it, and at least 1.
func WithAttempts(attempts int) Option { return func(c *Client) { c.attempts = max(attempts, 1) } }

// WithTimeout sets how long one attempt may take; 30 seconds without it.
func WithTimeout(timeout time.Duration) Option { return func(c *Client) { c.timeout = timeout } }

// WithHTTPClient sends requests by another client than [http.DefaultClient].
func WithHTTPClient(client *http.Client) Option { return func(c *Client) { c.http = client } }

// New returns a client. address: of the platform, such as https://hooks.example.com. key: an API key.
func New(address, key string, options ...Option) *Client {
	client := &Client{
		address:  strings.TrimRight(address, "/"),
		key:      key,
		attempts: defaultAttempts,
		timeout:  defaultTimeout,
		http:     http.DefaultClient,
	}
	for _, option := range options {
		option(client)
	}
	return client
}

// receive sends a request and decodes the JSON of its response.
func receive[T any](ctx context.Context, client *Client, request *request) (T, error) {
	var result T
	body, err := client.send(ctx, request)
	if err == nil && len(body) > 0 {
		if err = json.Unmarshal(body, &result); err != nil {
			err = fmt.Errorf("waypost: response of %s %s: %w", request.method, request.path, err)
		}
	}
	return result, err
}
