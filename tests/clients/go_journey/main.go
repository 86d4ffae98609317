// Do the README's main job with the client in clients/go: create an endpoint, publish, receive, verify. Print what was found as JSON.
// Arguments: address of the platform, API key.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"

	waypost "waypost.test/client"
)

const number = 3 // events

type found struct {
	Published []string `json:"published"`
	Listed    []string `json:"listed"`
	Delivered []string `json:"delivered"`
	Totals    []int    `json:"totals"`
	Refused   bool     `json:"refused"`
	Problem   []any    `json:"problem"`
	NotFound  bool     `json:"not_found"`
}

func main() {
	result, err := journey(context.Background(), waypost.New(os.Args[1], os.Args[2]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(result)
}

func journey(ctx context.Context, client *waypost.Client) (*found, error) {
	var result found
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	uid, kind := "own-go", "own.go"
	endpoint, err := client.CreateEndpoint(ctx, waypost.EndpointCreateRequest{
		Url: new(fmt.Sprintf("http://%s/hooks", listener.Addr())), Uid: &uid, Subscriptions: &[]waypost.EndpointSubscriptionRequest{{EventTypes: []string{kind}}},
	}, nil)
	if err != nil {
		return nil, err
	}
	receiver := &receiver{secret: *endpoint.Secret, arrived: make(chan arrival, number)}
	go func() { _ = http.Serve(listener, receiver) }()
	for total := range number {
		event := waypost.EventCreateRequest{Type: kind, Data: map[string]int{"total": total}}
		created, err := client.CreateEvent(ctx, event, nil)
		if err != nil {
			return nil, err
		}
		result.Published = append(result.Published, created.Id)
	}
	for event, err := range client.ListEvents(ctx, &waypost.ListEventsParams{Type: &kind, Limit: new(2)}) {
		if err != nil {
			return nil, err
		}
		result.Listed = append(result.Listed, event.Id)
	}
	for range number {
		one := <-receiver.arrived
		if one.err != nil {
			return nil, one.err
		}
		result.Delivered = append(result.Delivered, one.id)
		result.Totals = append(result.Totals, one.total)
		result.Refused = one.refused
	}
	_, err = client.CreateEndpoint(ctx, waypost.EndpointCreateRequest{Url: new("nowhere")}, nil)
	var failed *waypost.Error
	if !errors.As(err, &failed) || !errors.Is(err, waypost.ErrInvalidRequest) {
		return nil, fmt.Errorf("no problem: %w", err)
	}
	result.Problem = []any{failed.Status, (*failed.Problem.Errors)[0].Field, failed.RequestID != ""}
	if err := client.DeleteEndpoint(ctx, uid, nil); err != nil {
		return nil, err
	}
	_, err = client.GetEndpoint(ctx, uid, nil)
	result.NotFound = errors.Is(err, waypost.ErrNotFound)
	for _, ids := range [][]string{result.Published, result.Listed, result.Delivered} {
		slices.Sort(ids)
	}
	slices.Sort(result.Totals)
	return &result, nil
}

// arrival is a webhook that was verified. refused: another body under the same signature was not.
type arrival struct {
	id      string
	total   int
	refused bool
	err     error
}

type receiver struct {
	secret  string
	arrived chan arrival
}

func (r *receiver) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var event struct {
		Data struct{ Total int }
	}
	if err == nil {
		err = waypost.Verify(r.secret, request.Header, body, &event)
	}
	other := waypost.Verify(r.secret, request.Header, append(body, ' '), nil)
	r.arrived <- arrival{request.Header.Get("Webhook-Id"), event.Data.Total, errors.Is(other, waypost.ErrVerification), err}
	if err != nil {
		writer.WriteHeader(http.StatusBadRequest)
	}
}
