"""List the operations of the API that pages of the portal may call, each with the capabilities that it needs.

This table is all that decides what a session may do: an operation that is not in it cannot be called, and pages ask
it which buttons to show. The scope follows: ``read`` to look and to try, ``manage`` to change.
"""

from dataclasses import dataclass

from subscriptions.models import Capability, Scope

VIEW, MANAGE, REPLAY = Capability.VIEW, Capability.MANAGE, Capability.REPLAY
SECRETS, PAYLOADS = Capability.SECRETS, Capability.PAYLOADS


@dataclass(frozen=True)
class Operation:
    """An operation of the API: the capabilities that it needs, and how its response is treated.

    ``scope``: that of the operation. ``has_payloads``: whether the response contains data of events, which a session
    without the capability ``payloads`` does not get.
    """

    needs: frozenset[Capability]
    scope: Scope = Scope.READ
    has_payloads: bool = False

    @property
    def is_change(self) -> bool:
        """Return whether it changes anything, so that the audit has an entry of it."""
        return self.scope != Scope.READ


def _look(*, has_payloads: bool = False) -> Operation:
    return Operation(frozenset({VIEW}), has_payloads=has_payloads)


def _change(*needs: Capability, scope: Scope = Scope.MANAGE, has_payloads: bool = False) -> Operation:
    return Operation(frozenset({VIEW, *needs}), scope, has_payloads=has_payloads or REPLAY in needs)


OPERATIONS: dict[tuple[str, str], Operation] = {
    # endpoints
    ("GET", "endpoint-list"): _look(),
    ("POST", "endpoint-list"): _change(MANAGE),
    ("GET", "endpoint-detail"): _look(),
    ("PATCH", "endpoint-detail"): _change(MANAGE),
    ("DELETE", "endpoint-detail"): _change(MANAGE),
    ("GET", "endpoint-stats"): _look(),
    ("GET", "endpoint-stats-of-all"): _look(),
    ("GET", "endpoint-overviews"): _look(),
    ("GET", "endpoint-status"): _look(),
    ("POST", "endpoint-retry"): _change(MANAGE),
    ("POST", "endpoint-test"): _change(MANAGE),
    ("POST", "endpoint-verification"): _change(MANAGE),
    ("GET", "endpoint-secrets"): _look(),
    ("POST", "endpoint-secrets"): _change(SECRETS),
    ("DELETE", "endpoint-secret"): _change(SECRETS),
    ("GET", "connectors"): _look(),
    ("GET", "connector"): _look(),
    ("POST", "connector-preview"): _look(),
    ("POST", "connector-endpoints"): _change(MANAGE),
    ("GET", "subscription-list"): _look(),
    ("POST", "subscription-list"): _change(MANAGE),
    ("GET", "subscription-detail"): _look(),
    ("PATCH", "subscription-detail"): _change(MANAGE),
    ("DELETE", "subscription-detail"): _change(MANAGE),
    ("POST", "subscription-test"): _look(),
    # messages
    ("GET", "event-list"): _look(has_payloads=True),
    ("GET", "event-detail"): _look(has_payloads=True),
    ("GET", "event-deliveries"): _look(has_payloads=True),
    ("GET", "event-explanation"): _look(has_payloads=True),
    ("GET", "delivery-list"): _look(has_payloads=True),
    ("GET", "delivery-detail"): _look(has_payloads=True),
    ("GET", "delivery-attempts"): _look(has_payloads=True),
    ("GET", "delivery-attempt"): _look(has_payloads=True),
    ("GET", "delivery-request"): _look(has_payloads=True),
    ("POST", "delivery-resend"): _change(REPLAY),
    ("POST", "delivery-retry"): _change(REPLAY),
    ("POST", "delivery-cancel"): _change(REPLAY),
    ("GET", "replay-list"): _look(),
    ("GET", "replay-detail"): _look(),
    ("POST", "replay-list"): _change(REPLAY),
    ("POST", "replay-preview"): Operation(frozenset({VIEW, REPLAY})),
    ("POST", "replay-cancel"): _change(REPLAY),
    # the catalogue
    ("GET", "event-type-list"): _look(),
    ("GET", "event-type-detail"): _look(),
    # schedules and alerts
    ("GET", "schedule-list"): _look(has_payloads=True),
    ("POST", "schedule-list"): _change(MANAGE, has_payloads=True),
    ("POST", "schedule-preview"): _look(),
    ("GET", "schedule-detail"): _look(has_payloads=True),
    ("PATCH", "schedule-detail"): _change(MANAGE, has_payloads=True),
    ("DELETE", "schedule-detail"): _change(MANAGE),
    # Publishes the event of the schedule, as a schedule does that is due at once, so that it needs no more than one.
    ("POST", "schedule-run"): _change(MANAGE, scope=Scope.PUBLISH),
    ("GET", "alert-list"): _look(),
    ("GET", "alert-detail"): _look(),
    ("POST", "alert-acknowledge"): _change(MANAGE),
    ("POST", "alert-snooze"): _change(MANAGE),
    ("GET", "alert-conditions"): _look(),
    ("GET", "alert-rule-list"): _look(),
    ("POST", "alert-rule-list"): _change(MANAGE),
    ("POST", "alert-rule-preview"): _look(),
    ("GET", "alert-rule-detail"): _look(),
    ("PATCH", "alert-rule-detail"): _change(MANAGE),
    ("DELETE", "alert-rule-detail"): _change(MANAGE),
    ("POST", "alert-rule-test"): _change(MANAGE),
    # the account
    ("GET", "audit-entry-list"): _look(),
    ("GET", "usage"): _look(),
    ("GET", "tenant-limits"): _look(),
    ("GET", "key-list"): _look(),
    # A key outlives the session and is bound by no capability, so that creating one needs all that it can do.
    ("POST", "key-list"): _change(MANAGE, SECRETS, REPLAY, PAYLOADS),
    ("POST", "key-rotation"): _change(MANAGE, SECRETS, REPLAY, PAYLOADS),
    ("DELETE", "key-detail"): _change(MANAGE, SECRETS),
}
"""By method and name of the route."""
