package waypost

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What a caller does about an *[Error] follows from which of these it is, for errors.Is.
var (
	// ErrInvalidRequest is 400, 413, 415 or 422: the request has to be changed; Problem.Errors names the fields.
	ErrInvalidRequest = errors.New("waypost: invalid request")
	// ErrNotAuthenticated is 401: the key is missing, unknown, expired or revoked.
	ErrNotAuthenticated = errors.New("waypost: not authenticated")
	// ErrNotAllowed is 402 or 403: the key lacks a scope, or a limit of the plan is reached.
	ErrNotAllowed = errors.New("waypost: not allowed")
	// ErrNotFound is 404: there is nothing with this id, or it belongs to another tenant.
	ErrNotFound = errors.New("waypost: not found")
	// ErrConflict is 409 or 412: the state of the resource does not allow this, or it was changed meanwhile.
	ErrConflict = errors.New("waypost: conflict")
	// ErrTooManyRequests is 429, after all attempts: repeat after Error.RetryAfter.
	ErrTooManyRequests = errors.New("waypost: too many requests")
	// ErrNotModified is 304: what IfNoneMatch names is still current.
	ErrNotModified = errors.New("waypost: not modified")
	// ErrServer is 500 and above: the platform failed.
	ErrServer = errors.New("waypost: the platform failed")
	// ErrNotConnected is no *Error: no response arrived. Whether the request was carried out is unknown.
	ErrNotConnected = errors.New("waypost: not connected")
)

var kinds = map[int]error{
	http.StatusNotModified:           ErrNotModified,
	http.StatusBadRequest:            ErrInvalidRequest,
	http.StatusRequestEntityTooLarge: ErrInvalidRequest,
	http.StatusUnsupportedMediaType:  ErrInvalidRequest,
	http.StatusUnprocessableEntity:   ErrInvalidRequest,
	http.StatusUnauthorized:          ErrNotAuthenticated,
	http.StatusPaymentRequired:       ErrNotAllowed,
	http.StatusForbidden:             ErrNotAllowed,
	http.StatusNotFound:              ErrNotFound,
	http.StatusConflict:              ErrConflict,
	http.StatusPreconditionFailed:    ErrConflict,
	http.StatusTooManyRequests:       ErrTooManyRequests,
}

// Error is a response that is no success (RFC 9457).
type Error struct {
	Status     int           // of HTTP
	Problem    Problem       // Code is stable, for programs; Errors has the invalid fields
	RequestID  string        // for the logs of the platform
	RetryAfter time.Duration // 0: the response does not say
}

// Error returns the invalid fields, or the detail of the problem, in one line.
func (e *Error) Error() string {
	text := e.Problem.Detail
	if e.Problem.Errors != nil && len(*e.Problem.Errors) > 0 {
		var fields []string
		for _, it := range *e.Problem.Errors {
			fields = append(fields, fmt.Sprintf("%s: %s", it.Field, it.Detail))
		}
		text = strings.Join(fields, "; ")
	}
	return fmt.Sprintf("waypost: %s (%d %s)", text, e.Status, e.Problem.Code)
}

// Is reports whether the error is of a kind, such as ErrNotFound.
func (e *Error) Is(target error) bool {
	if e.Status >= http.StatusInternalServerError {
		return target == ErrServer
	}
	kind, isKnown := kinds[e.Status]
	return isKnown && target == kind
}

// errorOf returns the error for a response. A body that is no problem, such as a proxy's page, is its detail.
func errorOf(response *http.Response, body []byte) *Error {
	failed := &Error{
		Status:     response.StatusCode,
		RequestID:  response.Header.Get("Waypost-Request-Id"),
		RetryAfter: seconds(response.Header.Get("Retry-After")),
	}
	if err := json.Unmarshal(body, &failed.Problem); err != nil || failed.Problem.Title == "" {
		failed.Problem = Problem{Status: response.StatusCode, Title: response.Status, Detail: string(body[:min(len(body), 500)])}
	}
	return failed
}

// notConnected is the failure of an attempt without a response.
type notConnected struct{ cause error }

func (e *notConnected) Error() string   { return fmt.Sprintf("%v: %v", ErrNotConnected, e.cause) }
func (e *notConnected) Unwrap() []error { return []error{ErrNotConnected, e.cause} }
