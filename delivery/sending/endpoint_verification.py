"""Ask an endpoint by a signed test event whether it wants what we send: only who reads it can send it back.

For receivers that do not answer OPTIONS. The event ``waypost.endpoint.verification`` holds a ``challenge`` in its
data; an answer 2xx whose body contains it is the consent. A status alone proves nothing: many a server answers
200 to whatever it gets.
"""

import secrets

from delivery.sending.test_delivery import try_out
from subscriptions.endpoints.verification import Said, grant
from subscriptions.models import Endpoint

__all__ = ["challenge"]

TYPE = "waypost.endpoint.verification"


def challenge(endpoint: Endpoint) -> Said:
    """Send the event and look for the challenge in the answer.

    Raises as delivery.sending.test_delivery.send_test, and NotNow.
    """
    word = secrets.token_urlsafe(24)
    outcome = try_out(endpoint, type=TYPE, data={"challenge": word}).outcome
    if outcome.acknowledged and word.encode() in outcome.answer:
        grant(endpoint)
        return Said(Endpoint.Consent.GRANTED)
    if outcome.acknowledged:
        return Said(Endpoint.Consent.UNVERIFIED, problem="The answer does not contain the challenge.")
    return Said(Endpoint.Consent.UNVERIFIED, problem=f"The event was not taken: {outcome.status or outcome.failure}.")
