package waypost

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func signed(t *testing.T, body string, at time.Time) http.Header {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := webhook.Sign("evt_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{
		"Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {fmt.Sprint(at.Unix())}, "Webhook-Signature": {signature},
	}
}

func TestSignedWebhookIsDecoded(t *testing.T) {
	body := `{"type": "order.paid", "data": {"total": 42}}`
	var event struct {
		Type string
		Data map[string]int
	}
	if err := Verify(secret, signed(t, body, time.Now()), []byte(body), &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "order.paid" || event.Data["total"] != 42 {
		t.Fatal(event)
	}
}

func TestWebhookThatIsChangedOrOldIsRefused(t *testing.T) {
	body := `{"type": "order.paid"}`
	if err := Verify(secret, signed(t, body, time.Now()), []byte(body+" "), nil); !errors.Is(err, ErrVerification) {
		t.Fatal(err)
	}
	if err := Verify(secret, signed(t, body, time.Now().Add(-time.Hour)), []byte(body), nil); !errors.Is(err, ErrVerification) {
		t.Fatal(err)
	}
	if err := Verify("whsec_!", signed(t, body, time.Now()), []byte(body), nil); err == nil {
		t.Fatal("the secret is not valid")
	}
}
