package waypost

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/url"
)

// List is all items of a list, fetched page by page as they are needed:
//
//	for event, err := range client.ListEvents(ctx, nil) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// An error ends the list. A list may be iterated again; it is fetched again then.
type List[T any] iter.Seq2[T, error]

// First returns the first item; nil if the list is empty.
func (l List[T]) First() (*T, error) {
	for item, err := range l {
		if err != nil {
			return nil, err
		}
		return &item, nil
	}
	return nil, nil
}

// All returns all items.
func (l List[T]) All() ([]T, error) {
	var items []T
	for item, err := range l {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next"`
}

func list[T any](ctx context.Context, client *Client, request *request) List[T] {
	return func(yield func(T, error) bool) {
		current := *request
		current.query = maps.Clone(request.query)
		for hasMore := true; hasMore; {
			items, cursor, err := fetch[T](ctx, client, &current)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			current.query.Set("cursor", cursor)
			hasMore = cursor != ""
		}
	}
}

// fetch returns the items of a page, and the cursor of the next one; empty if this is the last.
func fetch[T any](ctx context.Context, client *Client, request *request) ([]T, string, error) {
	found, err := receive[page[T]](ctx, client, request)
	if err != nil || found.Next == nil {
		return found.Data, "", err
	}
	address, err := url.Parse(*found.Next)
	if err != nil {
		return nil, "", fmt.Errorf("waypost: address of the next page: %w", err)
	}
	return found.Data, address.Query().Get("cursor"), nil
}
