"""Enforce the rate limit on the events a tenant publishes, in all processes together: GCRA in Valkey.

The token bucket holds one second's worth and fills at the plan's rate. A process fetches tokens for a tenth of a second
at a time, so most requests need no round trip; tokens not used within PREFETCH_LIFETIME are lost.

Failure: while Valkey does not respond, every event is let through: the limit protects and does not bill. Valkey is
asked again after RETRY_AFTER; the failure is counted.
"""

from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import redis
from django.conf import settings
from redis.commands.core import Script

from delivery import metrics

PREFETCH_LIFETIME = 0.5  # seconds
PREFETCHES_PER_SECOND = 10  # a fetch takes this fraction of a second's tokens
TIMEOUT = 0.05  # seconds Valkey may take
RETRY_AFTER = 1.0  # seconds without asking Valkey after it failed
MAX_TENANTS = 10_000  # whose tokens a process remembers

# GCRA: one number, the time up to which the tokens are spent, by Valkey's clock, so that processes need not agree.
GCRA = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - 1)
local grant = math.min(math.floor((now - spent) * rate + 0.000001), want)
if grant > 0 then
    spent = spent + grant / rate
    redis.call('SET', KEYS[1], string.format('%.6f', spent), 'PX', 2000)
end
return {grant, string.format('%.6f', math.max(spent + 1 / rate - now, 0)), math.floor((now - spent) * rate + 0.000001)}
"""


@dataclass(frozen=True, slots=True)
class Granted:
    """Allow ``count`` of the events; ``wait`` is the time in seconds until the next of the others may be published."""

    count: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Prefetched:
    tokens: int
    until: float  # monotonic time when the tokens expire; if there are none, when to ask again


@dataclass(slots=True)
class _Process:
    """Hold the tokens that this process has fetched, and its connection to Valkey."""

    prefetched: dict[UUID, _Prefetched] = field(default_factory=dict)
    in_bucket: dict[UUID, tuple[int, float]] = field(default_factory=dict)  # tokens left there at a monotonic time
    retry_at: float = 0.0  # monotonic time before which Valkey is not asked
    bucket: Script | None = None


_lock = Lock()
_process = _Process()


def take(tenant_id: UUID, rate: int, count: int) -> Granted:
    """Take tokens for ``count`` events of a tenant that may publish ``rate`` per second, or as many as there are."""
    with _lock:
        now = monotonic()
        held = _process.prefetched.pop(tenant_id, None)
        if held is None or now >= held.until:
            held = _Prefetched(0, now + PREFETCH_LIFETIME)
        elif not held.tokens:
            _process.prefetched[tenant_id] = held
            return Granted(0, held.until - now)
        more, wait = _fetch(tenant_id, rate, count - held.tokens) if held.tokens < count else (0, 0.0)
        granted = min(count, held.tokens + more)
        left = held.tokens + more - granted
        if left or wait:
            _remember(tenant_id, _Prefetched(left, now + PREFETCH_LIFETIME if left else now + wait))
        return Granted(granted, wait)


def left(tenant_id: UUID, rate: int) -> int:
    """Return how many events the tenant may publish now, as far as this process knows.

    What other processes took since this one asked Valkey is not subtracted.
    """
    with _lock:
        now = monotonic()
        held = _process.prefetched.get(tenant_id)
        if held is None or now >= held.until:
            held = _Prefetched(0, now)
        elif not held.tokens:
            return 0
        in_bucket, counted_at = _process.in_bucket.get(tenant_id, (rate, now))
    return min(rate, held.tokens + in_bucket + int((now - counted_at) * rate))


def forget() -> None:
    """Forget fetched tokens and the connection."""
    with _lock:
        _process.prefetched.clear()
        _process.in_bucket.clear()
        _process.retry_at, _process.bucket = 0.0, None


def _remember(tenant_id: UUID, held: _Prefetched) -> None:
    if len(_process.prefetched) >= MAX_TENANTS:
        _process.prefetched.clear()
    _process.prefetched[tenant_id] = held


def _fetch(tenant_id: UUID, rate: int, least: int) -> tuple[int, float]:
    """Return tokens from the bucket, and the seconds until there are more if these are fewer than needed."""
    if monotonic() < _process.retry_at:
        return least, 0.0
    try:
        got, wait, in_bucket = _script()(
            keys=[f"waypost:rate:{tenant_id}"], args=[rate, max(least, rate // PREFETCHES_PER_SECOND)]
        )
    except redis.RedisError:
        _process.retry_at = monotonic() + RETRY_AFTER
        metrics.rate_limit_failed()
        return least, 0.0
    if len(_process.in_bucket) >= MAX_TENANTS:
        _process.in_bucket.clear()
    _process.in_bucket[tenant_id] = int(in_bucket), monotonic()
    return int(got), float(wait) if int(got) < least else 0.0


def _script() -> Script:
    if _process.bucket is None:
        _process.bucket = _client(settings.CELERY_BROKER_URL).register_script(GCRA)
    return _process.bucket


def _client(url: str) -> redis.Redis:
    """Connect to the broker's URL, which Celery spells in its own way for a Unix socket."""
    if not url.startswith("redis+socket:"):
        return redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return redis.Redis(
        unix_socket_path=parts.path, db=int(number), socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
    )
