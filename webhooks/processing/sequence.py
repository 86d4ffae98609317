"""Find receipts that come out of order, by a number or a time that grows from message to message.

``Source.sequence_path`` says where that value is. Each order key has a high-water mark, the greatest value that was
handled (``LatestSequence``). A receipt below the mark is flagged ``out_of_order``, and not handled if the source says
``skip_out_of_order``. An equal value is in order: a time in whole seconds orders nothing within the second.

The mark moves in the transaction of the handlers, so a failure restores it. It moves last, so that handlers of
different receipts do not wait for each other's row lock; a receipt that finds a greater mark then is out of order.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException

from django.db import connection

from webhooks.kit.bodies.message_body import is_plain
from webhooks.models import LatestSequence, Receipt
from webhooks.sources.message_labels import read_exactly, read_in_file
from webhooks.wire.ids import new_id

BOUND = Decimal(10) ** 28  # greater numbers are not sequence values
STEP = Decimal("1e-9")
MAX_LENGTH = 64  # characters of a sequence value
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)

_ADVANCE = """
    INSERT INTO webhooks_latestsequence (id, source_id, order_key, sequence, updated_at)
    VALUES (%s, %s, %s, %s, statement_timestamp())
    ON CONFLICT (source_id, order_key) DO UPDATE
    SET sequence = GREATEST(webhooks_latestsequence.sequence, EXCLUDED.sequence), updated_at = EXCLUDED.updated_at
    RETURNING sequence
"""


def sequence_of(receipt: Receipt) -> Decimal | None:
    """Return the sequence value of a receipt, or None."""
    place = receipt.source.sequence_path
    if not place:
        return None
    headers = receipt.body_headers()
    if not receipt.body_key and is_plain(headers):
        return parse_sequence(read_exactly(place, headers, bytes(receipt.body or b"")))
    with receipt.open() as file:
        return parse_sequence(read_in_file(place, headers, file))


def parse_sequence(text: str) -> Decimal | None:
    """Parse a decimal number, or a time (ISO 8601, default UTC) as seconds since 1970; return None for other text."""
    if len(text) > MAX_LENGTH:
        return None
    number = _number(text)
    return _moment(text) if number is None else number


def is_out_of_order(receipt: Receipt, place: Decimal) -> bool:
    """Return whether a later receipt of the order key has been handled."""
    return LatestSequence.objects.filter(
        source_id=receipt.source_id, order_key=receipt.order_key, sequence__gt=place
    ).exists()


def advance_latest(receipt: Receipt, place: Decimal) -> bool:
    """Raise the order key's high-water mark, locked until the transaction ends; return whether it was greater."""
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [new_id(), receipt.source_id, receipt.order_key, place])
        return bool(cursor.fetchone()[0] > place)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
        return number.quantize(STEP, context=_EXACT) if abs(number) < BOUND else None
    except DecimalException:  # no number, NaN, or one that has no end
        return None


def _moment(text: str) -> Decimal | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(since.days * 86_400 + since.seconds) + Decimal(since.microseconds).scaleb(-6)
