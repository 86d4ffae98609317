"""How many events a tenant may publish this moment: tokens of one bucket in Valkey, fetched a tenth of a second's worth
at a time, so that a request costs no look at it.

The bucket holds one second's worth and fills at the plan's rate. All processes fetch from the same bucket, so together
they let through no more than that; what a process fetched and did not use within FETCHED_FOR is lost. While Valkey is
away nobody is held up, for a limit on the rate protects, and does not bill.
"""

from dataclasses import dataclass
from threading import Lock
from time import monotonic
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import redis
from django.conf import settings
from redis.commands.core import Script

from delivery import telemetry

__all__ = ["Granted", "forget", "take"]

FETCHED_FOR = 0.5  # seconds
AHEAD = 10  # of a second's tokens, this part is fetched at once
BUDGET = 0.05  # seconds Valkey may take
PAUSE = 1.0  # seconds nobody asks it after it failed
MOST_TENANTS = 10_000  # remembered per process

# One number in Valkey: the moment up to which the tokens are spent. Its clock counts, so processes need not agree.
_BUCKET = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - 1)
local grant = math.min(math.floor((now - spent) * rate + 0.000001), want)
if grant > 0 then
    spent = spent + grant / rate
    redis.call('SET', KEYS[1], string.format('%.6f', spent), 'PX', 2000)
end
return {grant, string.format('%.6f', math.max(spent + 1 / rate - now, 0))}
"""


@dataclass(frozen=True, slots=True)
class Granted:
    """So many of the events may go; the next one of the others in ``wait`` seconds."""

    count: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Fetched:
    tokens: int
    until: float
    """When the tokens are void; if there are none, when to ask again. By the monotonic clock."""


_lock = Lock()
_fetched: dict[UUID, _Fetched] = {}
_away_until = 0.0
_bucket: Script | None = None


def take(tenant_id: UUID, rate: int, count: int) -> Granted:
    """Take tokens for so many events of a tenant that may publish ``rate`` per second; as many as there are."""
    with _lock:
        now = monotonic()
        held = _fetched.pop(tenant_id, None)
        if held is None or now >= held.until:
            held = _Fetched(0, now + FETCHED_FOR)
        elif not held.tokens:
            _fetched[tenant_id] = held
            return Granted(0, held.until - now)
        more, wait = _fetch(tenant_id, rate, count - held.tokens) if held.tokens < count else (0, 0.0)
        granted = min(count, held.tokens + more)
        left = held.tokens + more - granted
        if left or wait:
            _remember(tenant_id, _Fetched(left, now + FETCHED_FOR if left else now + wait))
        return Granted(granted, wait)


def forget() -> None:
    """Begin anew, with nothing fetched."""
    global _away_until, _bucket
    with _lock:
        _fetched.clear()
        _away_until, _bucket = 0.0, None


def _remember(tenant_id: UUID, held: _Fetched) -> None:
    if len(_fetched) >= MOST_TENANTS:
        _fetched.clear()
    _fetched[tenant_id] = held


def _fetch(tenant_id: UUID, rate: int, least: int) -> tuple[int, float]:
    """Tokens from the bucket, and how long until there are more if these are fewer than needed."""
    global _away_until
    if monotonic() < _away_until:
        return least, 0.0
    try:
        got, wait = _script()(keys=[f"waypost:rate:{tenant_id}"], args=[rate, max(least, rate // AHEAD)])
    except redis.RedisError:
        _away_until = monotonic() + PAUSE
        telemetry.allowance_away()
        return least, 0.0
    return int(got), float(wait) if int(got) < least else 0.0


def _script() -> Script:
    global _bucket
    if _bucket is None:
        _bucket = _client(settings.CELERY_BROKER_URL).register_script(_BUCKET)
    return _bucket


def _client(url: str) -> redis.Redis:
    """For the address of the broker, which Celery spells in its own way where it is a socket."""
    if not url.startswith("redis+socket:"):
        return redis.Redis.from_url(url, socket_timeout=BUDGET, socket_connect_timeout=BUDGET)
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return redis.Redis(
        unix_socket_path=parts.path, db=int(number), socket_timeout=BUDGET, socket_connect_timeout=BUDGET
    )
