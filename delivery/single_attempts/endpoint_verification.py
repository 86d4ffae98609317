"""Verify an endpoint by a signed test event: only a receiver that reads the event can send its challenge back.

For receivers that do not respond to OPTIONS. The event ``waypost.endpoint.verification`` has a ``challenge`` in its
data; a 2xx response whose body contains the challenge verifies the endpoint. The status alone proves nothing, since
many servers respond 200 to every request.
"""

import secrets

from delivery.single_attempts.test_delivery import send_any
from subscriptions.endpoints.http.verification import VerificationResult, changed_meanwhile, mark_verified
from subscriptions.models import Endpoint, HttpSettings

TYPE = "waypost.endpoint.verification"


def verify_by_event(endpoint: Endpoint) -> VerificationResult:
    """Send the event, look for the challenge in the response, and record the verification if it is there.

    Raises the exceptions of ``delivery.single_attempts.test_delivery.send_any``, and StateConflict if the endpoint was
    changed meanwhile.
    """
    test = send_any(endpoint, type=TYPE, data={"challenge": secrets.token_urlsafe(24)})
    outcome, challenge = test.outcome, test.data["challenge"]  # that was sent: a suspended request runs twice
    if outcome.delivered and challenge.encode() in outcome.response:
        if test.address != endpoint.http.url:
            raise changed_meanwhile()
        mark_verified(endpoint)
        return VerificationResult(HttpSettings.Verification.VERIFIED)
    if outcome.delivered:
        return VerificationResult(
            HttpSettings.Verification.UNVERIFIED, problem="The response body does not contain the challenge."
        )
    failure = f"status {outcome.status}" if outcome.status else outcome.failure
    return VerificationResult(
        HttpSettings.Verification.UNVERIFIED, problem=f"The endpoint did not accept the event: {failure}."
    )
