"""Copy events that a grant shares into the tenant that may subscribe to them, where they are routed like its own.

``run`` is a task; one worker copies at a time. One transaction takes pending shares and stores the copies with their
deferred fan-outs, so a crash loses and repeats none. A copy has the bytes of the event. The grant is part of its source
as the grantee's lists show it, and only subscriptions that name the grant match it.
"""

import time
from hashlib import sha256

from django.db import transaction

from delivery.notify import fan_out_starter, share_starter
from delivery.sql.sharing.shares import CopyRow, SharedEvent, insert_copies, read_shared, take_shares
from subscriptions.models import Grant
from subscriptions.routing.compiled_patterns import compile_pattern
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id, urn
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

RUN_SECONDS = 5.0  # one run of the task; if shares are left, it sends the next
MATCHING_STEPS = 1_000_000  # of comparing the patterns of grants with one event; with more it is not shared


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Copy events until no share is due, for ``seconds`` at most; return how many shares were taken."""
    until, total = time.monotonic() + seconds, 0
    while count := _copy_some():
        total += count
        if time.monotonic() > until:
            share_starter.send()
            break
    return total


def _copy_some() -> int:
    with transaction.atomic():
        taken = take_shares()
        if insert_copies([_copy(it) for it in read_shared(taken) if _is_match(it)]):
            transaction.on_commit(fan_out_starter.notify)
    return len(taken)


def _is_match(shared: SharedEvent) -> bool:
    """Return whether the pattern of the grant matches the event."""
    if shared.pattern is None:
        return True
    try:
        pattern = compile_pattern(shared.pattern)
        return pattern.matches(read_structured(shared.body).document(), StepBudget(MATCHING_STEPS))
    except BudgetExceeded:
        return False


def _copy(shared: SharedEvent) -> CopyRow:
    return CopyRow(
        id=new_id(),
        tenant_id=shared.grantee_id,
        source=f"{urn(Grant.prefix, shared.grant_id)}:{shared.source}",
        event_id=shared.own_id,
        type=shared.type,
        subject=shared.subject,
        digest=sha256(shared.body).digest(),
        body=shared.body,
        about=shared.event_id,
        grant_id=shared.grant_id,
    )
