// Do the quickstart with the client that oapi-codegen generates; print what it found as JSON.
// Arguments: address of the platform, API key, URL of the receiver.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"waypost.test/clients/waypost"
)

const wait = 30 * time.Second

type found struct {
	Secret         *string  `json:"secret"`
	Endpoints      []string `json:"endpoints"`
	DisabledReason *string  `json:"disabled_reason"`
	Event          string   `json:"event"`
	Problem        string   `json:"problem"`
	Rejected       int      `json:"rejected"`
	Delivered      int      `json:"delivered"`
}

func main() {
	result, err := quickstart(context.Background(), os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(result)
}

func quickstart(ctx context.Context, address, key, url string) (*found, error) {
	client, err := waypost.NewClientWithResponses(address, waypost.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	if err != nil {
		return nil, err
	}
	uid := "go"
	endpoint, err := client.CreateEndpointWithResponse(ctx, nil, waypost.EndpointCreateRequest{Url: &url, Uid: &uid})
	if err != nil || endpoint.JSON201 == nil {
		return nil, failed("endpoint", err, endpoint.Body)
	}
	types := []string{"order.go"}
	subscription, err := client.CreateSubscriptionWithResponse(ctx, nil,
		waypost.SubscriptionRequest{Endpoint: &uid, EventTypes: types})
	if err != nil || subscription.JSON201 == nil {
		return nil, failed("subscription", err, subscription.Body)
	}
	event, err := client.CreateEventWithResponse(ctx, nil,
		waypost.EventCreateRequest{Type: "order.go", Data: map[string]int{"total": 42}})
	if err != nil || event.JSON202 == nil {
		return nil, failed("event", err, event.Body)
	}
	batch, err := client.CreateEventBatchWithResponse(ctx, nil,
		[]waypost.EventCreateRequest{{Type: "order.other"}, {Type: ""}})
	if err != nil || batch.JSON202 == nil {
		return nil, failed("batch", err, batch.Body)
	}
	item, err := batch.JSON202.Data[1].ValueByDiscriminator()
	rejected, ok := item.(waypost.RejectedEvent)
	if err != nil || !ok {
		return nil, failed("result in a batch", err, batch.Body)
	}
	page, err := client.ListEndpointsWithResponse(ctx, nil)
	if err != nil || page.JSON200 == nil {
		return nil, failed("page of endpoints", err, page.Body)
	}
	var uids []string
	for _, it := range page.JSON200.Data {
		uids = append(uids, *it.Uid)
	}
	shown, err := client.GetEventWithResponse(ctx, event.JSON202.Id, nil)
	if err != nil || shown.JSON200 == nil {
		return nil, failed("event", err, shown.Body)
	}
	nowhere := "nowhere"
	refused, err := client.CreateEndpointWithResponse(ctx, nil, waypost.EndpointCreateRequest{Url: &nowhere})
	if err != nil || refused.ApplicationproblemJSON400 == nil {
		return nil, failed("problem", err, refused.Body)
	}
	status, err := statusWhenDelivered(ctx, client, event.JSON202.Id)
	if err != nil {
		return nil, err
	}
	return &found{
		Secret:         endpoint.JSON201.Secret,
		Endpoints:      uids,
		DisabledReason: (*string)(endpoint.JSON201.DisabledReason),
		Event:          shown.JSON200.Event.Type,
		Problem:        (*refused.ApplicationproblemJSON400.Errors)[0].Field,
		Rejected:       rejected.Error.Status,
		Delivered:      status,
	}, nil
}

func statusWhenDelivered(ctx context.Context, client *waypost.ClientWithResponses, event string) (int, error) {
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		page, err := client.ListDeliveriesWithResponse(ctx, &waypost.ListDeliveriesParams{Event: &event})
		if err != nil || page.JSON200 == nil {
			return 0, failed("page of deliveries", err, page.Body)
		}
		if delivery := page.JSON200.Data[0]; delivery.State == waypost.DeliveryStateDelivered {
			return *delivery.LastStatus, nil
		}
	}
	return 0, fmt.Errorf("not delivered within %s", wait)
}

func failed(what string, err error, body []byte) error {
	return fmt.Errorf("no %s: %v %s", what, err, body)
}
