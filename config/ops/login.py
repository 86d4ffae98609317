"""Limit the logins to the admin: checking a password takes a quarter of a second of processor time, on purpose.

Without a limit, anyone could make the platform check passwords all the time. One password is checked at a time in each
process, and each client address may try as often as ``ATTEMPTS_PER_MINUTE`` says.
"""

import threading
import time

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.rate_limit import RateLimit

ATTEMPTS_PER_MINUTE = 10  # of one client address, which may come at once
MAX_CONCURRENT = 1  # passwords checked at the same time in one process
REMEMBERED = 3600.0  # seconds an address is remembered


def limited_login(request: HttpRequest) -> HttpResponseBase:
    """Serve the login page of the admin; 429 to an address with too many attempts, 503 while others are checked."""
    if request.method != "POST":
        return _admin_login(request)
    wait = _wait(str(request.META.get("REMOTE_ADDR", "")))
    if wait > 0:
        detail = f"Too many logins from this address: {ATTEMPTS_PER_MINUTE} a minute are allowed."
        return _refusal(429, detail, wait)
    if not _checks.acquire(blocking=False):
        return _refusal(503, "Other logins are being checked; try again.", 1)
    try:
        return _admin_login(request)
    finally:
        _checks.release()


def _admin_login(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase = admin.site.login(request)
    return response


def _wait(address: str) -> float:
    """Spend an attempt of an address; return the seconds until it has one, 0 if it had."""
    limit, now = attempts.get(address), time.monotonic()
    if limit.tokens(now) < 1:
        return limit.ready_at(now) - now
    limit.spend(1, now)
    return 0


def _refusal(status: int, detail: str, wait: float) -> HttpResponse:
    headers = {"Retry-After": str(max(1, round(wait)))}
    return HttpResponse(f"{detail}\n", content_type="text/plain", status=status, headers=headers)


_checks = threading.BoundedSemaphore(MAX_CONCURRENT)
attempts: TimedCache[str, RateLimit] = TimedCache(
    lambda _address: RateLimit(ATTEMPTS_PER_MINUTE / 60, max_burst=ATTEMPTS_PER_MINUTE), max_age=REMEMBERED
)
