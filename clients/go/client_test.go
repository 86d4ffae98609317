package waypost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answers responds to requests one after the other, and keeps them with the time at which they came.
type answers struct {
	given    []answer
	requests []*http.Request
	bodies   []string
	times    []time.Time
}

type answer struct {
	status     int
	body       string
	retryAfter string
	err        error
}

func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	a.requests, a.bodies, a.times = append(a.requests, request), append(a.bodies, string(body)), append(a.times, time.Now())
	next := a.given[0]
	a.given = a.given[1:]
	if next.err != nil {
		return nil, next.err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Waypost-Request-Id": {"req_1"}}
	if next.retryAfter != "" {
		header.Set("Retry-After", next.retryAfter)
	}
	return &http.Response{
		Status: fmt.Sprint(next.status), StatusCode: next.status, Header: header, Request: request,
		Body: io.NopCloser(strings.NewReader(next.body)),
	}, nil
}

func answering(given ...answer) (*Client, *answers) {
	found := &answers{given: given}
	return New("http://waypost.test/", "wp_key", WithHTTPClient(&http.Client{Transport: found})), found
}

var (
	cut     = errors.New("cut")
	refused = &net.OpError{Op: "dial", Err: errors.New("refused")}
	event   = EventCreateRequest{Type: "order.paid", Data: map[string]int{"total": 42}}
	result  = `{"id": "evt_1"}`
)

// in runs a test in a bubble, where pauses take no time.
func in(t *testing.T, test func(ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t.Context()) })
}

func TestPostIsRepeatedUnderTheSameIdempotencyKey(t *testing.T) {
	for _, failure := range []answer{{status: 429}, {status: 502}, {status: 503}, {status: 504}, {err: cut}, {err: refused}} {
		in(t, func(ctx context.Context) {
			client, found := answering(failure, failure, answer{status: 202, body: result})
			created, err := client.CreateEvent(ctx, event, nil)
			if err != nil || created.Id != "evt_1" {
				t.Fatalf("%v: %v %v", failure, created, err)
			}
			var keys []string
			for _, it := range found.requests {
				keys = append(keys, it.Header.Get("Idempotency-Key"))
			}
			if len(keys) != 3 || keys[0] == "" || len(slices.Compact(keys)) != 1 {
				t.Fatalf("%v: keys %v", failure, keys)
			}
			if len(slices.Compact(found.bodies)) != 1 || !strings.Contains(found.bodies[0], `"total":42`) {
				t.Fatalf("bodies %v", found.bodies)
			}
		})
	}
}

func TestOwnIdempotencyKeyIsSent(t *testing.T) {
	client, found := answering(answer{status: 202, body: result})
	key := "order-17"
	if _, err := client.CreateEvent(t.Context(), event, &CreateEventParams{IdempotencyKey: &key}); err != nil {
		t.Fatal(err)
	}
	if found.requests[0].Header.Get("Idempotency-Key") != key {
		t.Fatal(found.requests[0].Header)
	}
}

func TestRequestIsGivenUpAfterItsAttempts(t *testing.T) {
	in(t, func(ctx context.Context) {
		client, found := answering(slices.Repeat([]answer{{status: 503}}, 4)...)
		_, err := client.GetEvent(ctx, "evt_1", nil)
		if !errors.Is(err, ErrServer) || len(found.requests) != 4 {
			t.Fatalf("%v after %d requests", err, len(found.requests))
		}
		client, found = answering(slices.Repeat([]answer{{err: cut}}, 4)...)
		_, err = client.GetEvent(ctx, "evt_1", nil)
		if !errors.Is(err, ErrNotConnected) || !errors.Is(err, cut) || len(found.requests) != 4 {
			t.Fatalf("%v after %d requests", err, len(found.requests))
		}
	})
}

func TestErrorThatNoRepeatMendsIsNotRepeated(t *testing.T) {
	kinds := map[int]error{
		400: ErrInvalidRequest, 401: ErrNotAuthenticated, 402: ErrNotAllowed, 403: ErrNotAllowed, 404: ErrNotFound,
		304: ErrNotModified, 409: ErrConflict, 412: ErrConflict, 413: ErrInvalidRequest, 422: ErrInvalidRequest, 500: ErrServer,
	}
	for status, kind := range kinds {
		client, found := answering(answer{status: status, body: "a page of a proxy"})
		_, err := client.CreateEvent(t.Context(), event, nil)
		if !errors.Is(err, kind) || len(found.requests) != 1 || !strings.Contains(err.Error(), "a page of a proxy") {
			t.Errorf("%d: %v after %d requests", status, err, len(found.requests))
		}
	}
}

func TestPauseIsWhatRetryAfterSaysButNotLongerThanHalfAMinute(t *testing.T) {
	in(t, func(ctx context.Context) {
		client, found := answering(
			answer{status: 429, retryAfter: "7"}, answer{status: 503, retryAfter: "3600"},
			answer{status: 503, retryAfter: "soon"}, answer{status: 202, body: result},
		)
		if _, err := client.CreateEvent(ctx, event, nil); err != nil {
			t.Fatal(err)
		}
		first, second, third := found.times[1].Sub(found.times[0]), found.times[2].Sub(found.times[1]), found.times[3].Sub(found.times[2])
		if first != 7*time.Second || second != 30*time.Second || third < 500*time.Millisecond || third > time.Second {
			t.Fatal(first, second, third)
		}
	})
}

func TestCancelledContextEndsThePause(t *testing.T) {
	in(t, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		client, found := answering(answer{status: 429, retryAfter: "7"})
		_, err := client.CreateEvent(ctx, event, nil)
		if !errors.Is(err, context.DeadlineExceeded) || len(found.requests) != 1 {
			t.Fatalf("%v after %d requests", err, len(found.requests))
		}
	})
}

func TestProblemNamesItsFields(t *testing.T) {
	client, _ := answering(answer{status: 400, body: `{"type": "https://waypost.test/problems/invalid/", "title": "Invalid request",
		"status": 400, "code": "invalid", "detail": "The request is invalid.",
		"errors": [{"field": "url", "detail": "Must be a URL.", "code": "invalid"}]}`})
	_, err := client.CreateEndpoint(t.Context(), EndpointCreateRequest{}, nil)
	var failed *Error
	if !errors.As(err, &failed) || failed.Status != 400 || failed.Problem.Code != "invalid" || failed.RequestID != "req_1" {
		t.Fatal(err)
	}
	if fields := *failed.Problem.Errors; fields[0].Field != "url" || !strings.Contains(err.Error(), "url: Must be a URL.") {
		t.Fatal(err)
	}
}

func TestListIsFetchedPageByPage(t *testing.T) {
	page := func(id string, next any) answer {
		body, _ := json.Marshal(map[string]any{"data": []map[string]string{{"id": id}}, "next": next, "previous": nil})
		return answer{status: 200, body: string(body)}
	}
	in(t, func(ctx context.Context) {
		client, found := answering(
			page("evt_1", "http://waypost.test/api/v1/events?cursor=c%2B1"), answer{status: 503}, page("evt_2", nil),
		)
		kind := "order.*"
		since := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		var ids []string
		for it, err := range client.ListEvents(ctx, &ListEventsParams{Type: &kind, Since: &since}) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, it.Id)
		}
		var cursors []string
		for _, it := range found.requests {
			query := it.URL.Query()
			cursors = append(cursors, query.Get("cursor"))
			if query.Get("type") != kind || query.Get("since") != "2026-05-04T12:00:00Z" {
				t.Error(it.URL)
			}
		}
		if !slices.Equal(ids, []string{"evt_1", "evt_2"}) || !slices.Equal(cursors, []string{"", "c+1", "c+1"}) {
			t.Fatal(ids, cursors)
		}
	})
}

func TestListEndsWithItsError(t *testing.T) {
	client, _ := answering(answer{status: 404}, answer{status: 404})
	if items, err := client.ListEvents(t.Context(), nil).All(); !errors.Is(err, ErrNotFound) || len(items) != 0 {
		t.Fatal(items, err)
	}
	if first, err := client.ListEvents(t.Context(), nil).First(); !errors.Is(err, ErrNotFound) || first != nil {
		t.Fatal(first, err)
	}
}

func TestFirstOfAnEmptyListIsNil(t *testing.T) {
	client, _ := answering(answer{status: 200, body: `{"data": [], "next": null, "previous": null}`})
	if first, err := client.ListEvents(t.Context(), nil).First(); err != nil || first != nil {
		t.Fatal(first, err)
	}
}

func TestReferenceIsOneSegmentOfThePath(t *testing.T) {
	client, found := answering(answer{status: 204})
	if err := client.DeleteEndpoint(t.Context(), "a/b?c", nil); err != nil {
		t.Fatal(err)
	}
	if got := found.requests[0].URL.EscapedPath(); got != "/api/v1/endpoints/a%2Fb%3Fc" {
		t.Fatal(got)
	}
}

func TestTenantOfTheClientIsSentUnlessTheCallNamesOne(t *testing.T) {
	client, found := answering(answer{status: 200, body: "{}"}, answer{status: 200, body: "{}"})
	WithTenant("acme")(client)
	other := "other"
	for _, params := range []*GetEventParams{nil, {WaypostTenant: &other}} {
		if _, err := client.GetEvent(t.Context(), "evt_1", params); err != nil {
			t.Fatal(err)
		}
	}
	if one, two := found.requests[0].Header.Get("Waypost-Tenant"), found.requests[1].Header.Get("Waypost-Tenant"); one != "acme" || two != other {
		t.Fatal(one, two)
	}
}

func TestResponseThatIsNoJSONIsBytes(t *testing.T) {
	client, _ := answering(answer{status: 200, body: "\x00raw"})
	if body, err := client.GetReceiptBody(t.Context(), "rcp_1", nil); err != nil || string(body) != "\x00raw" {
		t.Fatal(body, err)
	}
}
