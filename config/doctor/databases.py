"""Check PostgreSQL and the broker."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from select import select

from django.conf import settings
from django.db import connection
from kombu.connection import Connection

from config.doctor.finding import Finding, error, ok, warning
from config.ops.migrations import missing_migrations
from config.postgresql.pooled_requests import pooled_connection, shares_sessions
from webhooks.encryption.check import keys_problem
from webhooks.kit.notify import Listener

OLDEST = 14  # major version of PostgreSQL: older ones get no security fixes
MAX_CLOCK_DIFFERENCE = 2.0  # seconds between this machine and the server
NOTIFIED_WITHIN = 3.0  # seconds
CHANNEL = "waypost_doctor"
BROKER_TIMEOUT = 3.0  # seconds
# Settings of the server that keep what is committed.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
EVICTS_NOTHING = "noeviction"


def check_postgresql() -> Iterator[Finding]:
    """Check version, settings and clock of the server, and that it may be written to."""
    yield from check_server()
    for name, expected in DURABLE.items():
        if (value := _value(f"SHOW {name}")) not in (
            expected,
            "remote_apply",
            "remote_write",
        ):
            yield error(
                f"{name} is {value}: a crash loses what was accepted",
                f"set {name} = {expected}",
            )
    yield from _check_clock()
    yield from _check_connections()


def check_server() -> Iterator[Finding]:
    """Check the version of the server, and that it may be written to."""
    version = _value("SHOW server_version")
    major = int(_value("SHOW server_version_num")) // 10_000
    if major < OLDEST:
        yield error(f"PostgreSQL {version}", f"upgrade to version {OLDEST} or newer")
    else:
        yield ok(f"PostgreSQL {version}")
    if _value("SELECT pg_is_in_recovery()::text") == "true":
        yield error("the server is a replica, which cannot be written to", "connect to the primary in DATABASE_URL")
    if (encoding := _value("SHOW server_encoding")) != "UTF8":
        yield error(f"the database stores text as {encoding}", "create it with ENCODING 'UTF8'")


def _check_clock() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        difference = (cursor.fetchone()[0] - datetime.now(UTC)).total_seconds()
    if abs(difference) > MAX_CLOCK_DIFFERENCE:
        yield warning(
            f"the clocks of this machine and of PostgreSQL differ by {abs(difference):.1f} s",
            "synchronize both by NTP: signatures carry the time, and receivers refuse one that is off",
        )
    else:
        yield ok("the clocks of this machine and of PostgreSQL agree")


def _check_connections() -> Iterator[Finding]:
    most = int(_value("SHOW max_connections"))
    needed = settings.WAYPOST_WEB_WORKERS * (settings.WAYPOST_WEB_THREADS + 4) + 4 * (
        settings.WAYPOST_DELIVERY_WORKERS + settings.WAYPOST_DEFAULT_WORKERS
    )
    if needed > most:
        yield warning(
            f"max_connections is {most}, and this machine alone may open {needed}",
            "raise max_connections, or lower WAYPOST_WEB_WORKERS and WAYPOST_WEB_THREADS",
        )


def check_pooler() -> Iterator[Finding]:
    """Check that no pooler in transaction mode stands before what needs a session, and that requests reach one."""
    has_pooler = settings.WAYPOST_POOLED_DATABASE is not None
    if shares_sessions(connection.get_connection_params()):
        yield error(
            "a pooler in transaction mode stands before the database: LISTEN, advisory locks, prepared statements and "
            "settings of a session are lost",
            "name the server itself in WAYPOST_DIRECT_DATABASE_URL, "
            + ("not the pooler" if has_pooler else "and leave the pooler in DATABASE_URL; or set pool_mode = session"),
        )
    elif has_pooler:
        yield from _check_pooled_requests()


def _check_pooled_requests() -> Iterator[Finding]:
    pooled = pooled_connection()
    try:
        with pooled.cursor() as cursor:
            cursor.execute("SELECT current_database(), current_setting('statement_timeout')")
            name, limit = cursor.fetchone()
    finally:
        pooled.close()
    if name != (own := _value("SELECT current_database()")):
        yield error(
            f"the pooler of DATABASE_URL leads to the database {name}, and WAYPOST_DIRECT_DATABASE_URL to {own}",
            "name the same database in both",
        )
        return
    yield ok("requests go through the pooler of DATABASE_URL, and all else to the server itself")
    if limit == "0":
        seconds = settings.WAYPOST_STATEMENT_SECONDS
        yield warning(
            "statements through the pooler have no limit: a slow one holds a thread of the web for as long as it takes",
            f"add connect_query = 'SET statement_timeout = {seconds * 1000}' to the database in pgbouncer.ini",
        )


def check_notifications() -> Iterator[Finding]:
    """Check that LISTEN and NOTIFY arrive: a pooler that hands out connections by transaction loses them."""
    listener = Listener(CHANNEL, missed="")
    try:
        listener.received()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, CHANNEL])
        ends = time.monotonic() + NOTIFIED_WITHIN
        while time.monotonic() < ends:
            select([listener.fileno()], [], [], 0.2)
            if CHANNEL in listener.received():
                yield ok("notifications of PostgreSQL arrive")
                return
    finally:
        listener.close()
    yield error(
        "notifications of PostgreSQL do not arrive",
        "set pool_mode = session in the pooler, or connect to the server itself",
    )


def check_migrations() -> Iterator[Finding]:
    """Check that the tables are those of this version."""
    if missing := missing_migrations():
        yield error(f"{len(missing)} migrations were not applied", "run: waypost-server upgrade")
    else:
        yield ok("all migrations were applied")


def check_encryption_keys() -> Iterator[Finding]:
    """Check that the keys decrypt what is stored."""
    if problem := keys_problem():
        yield error(problem, "set WAYPOST_ENCRYPTION_KEYS to the keys of the machines that work, the same on each")
    else:
        yield ok("the encryption keys decrypt what is stored")


def check_broker() -> Iterator[Finding]:
    """Check that the broker is there, and removes no message to free memory."""
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
        found = broker.default_channel.client.info()
    name, version = found.get("server_name", "redis"), found.get("valkey_version") or found["redis_version"]
    yield ok(f"broker: {name} {version}")
    if (policy := found.get("maxmemory_policy", EVICTS_NOTHING)) != EVICTS_NOTHING:
        yield warning(
            f"the broker removes keys when its memory is full ({policy})",
            "set maxmemory-policy noeviction; what is lost is found again, a second later",
        )


def _value(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])
