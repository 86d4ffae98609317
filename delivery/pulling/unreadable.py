"""Settle deliveries whose body no key decrypts: their attempt has failed, and the retry plan goes on."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from delivery.pulling.settling import PulledAttempt, settle
from delivery.sql.claim import Claimed
from delivery.sql.pulled.settle_pulled import lock_reported
from delivery.transports.outcome import Failure, Outcome
from subscriptions.routing.targets import DeliveryTarget


def settle_unreadable(target: DeliveryTarget, token: UUID, claimed: Sequence[Claimed]) -> None:
    """Record an attempt that failed for each of these, which were claimed under this token."""
    with transaction.atomic():
        rows = lock_reported(target.endpoint_id, [it.id for it in claimed]).values()
        settle(
            [
                PulledAttempt(
                    row.id,
                    target.endpoint_id,
                    token,
                    row.attempts,
                    row.step,
                    target.retry_plan,
                    Outcome(row.now.timestamp(), 0, failure=Failure.CREDENTIALS),
                )
                for row in rows
                if row.token == token
            ]
        )
