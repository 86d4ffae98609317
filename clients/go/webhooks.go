package waypost

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// ErrVerification says that a webhook is not signed by the secret, or too old.
var ErrVerification = errors.New("waypost: webhook not verified")

// Verify checks the signature of a webhook and decodes its body into event, as json.Unmarshal does; nil: it is not decoded.
//
// secret: of the endpoint, as whsec_... body: as it was received.
func Verify(secret string, headers http.Header, body []byte, event any) error {
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("waypost: secret: %w", err)
	}
	if err := webhook.Verify(body, headers); err != nil {
		return fmt.Errorf("%w: %w", ErrVerification, err)
	}
	if event == nil {
		return nil
	}
	if err := json.Unmarshal(body, event); err != nil {
		return fmt.Errorf("waypost: body of the webhook: %w", err)
	}
	return nil
}
