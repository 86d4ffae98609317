"""Run all checks, one after the other."""

from collections.abc import Callable, Iterator

from config.doctor import databases, own_delivery, surroundings
from config.doctor.finding import Finding, Level, error

Check = Callable[[], Iterator[Finding]]

# Each check with what it needs to go on: without it, and what builds on it, the others would only repeat the error.
CHECKS: dict[str, tuple[Check, str]] = {
    "environment": (surroundings.check_environment, ""),
    "disk": (surroundings.check_disk, ""),
    "storage": (surroundings.check_storage, ""),
    "database": (databases.check_postgresql, ""),
    "pooler": (databases.check_pooler, "database"),
    "notifications": (databases.check_notifications, "pooler"),
    "migrations": (databases.check_migrations, "database"),
    "keys": (databases.check_encryption_keys, "migrations"),
    "broker": (databases.check_broker, ""),
    "address": (surroundings.check_public_address, ""),
    "delivery": (own_delivery.check_own_delivery, "keys"),
}


def examine(*, with_delivery: bool = True) -> Iterator[Finding]:
    """Run the checks whose needs are met, and yield what each finds."""
    failed = set() if with_delivery else {"delivery"}
    for name, (check, needs) in CHECKS.items():
        if name in failed or needs in failed:
            failed.add(name)
            continue
        for finding in _findings(name, check):
            if finding.level is Level.ERROR:
                failed.add(name)
            yield finding


def _findings(name: str, check: Check) -> Iterator[Finding]:
    """Yield what a check finds; an exception is an error, named by its class, since its text may hold a password."""
    try:
        yield from check()
    except Exception as failure:
        yield error(f"{name}: {type(failure).__name__}", ADVICE.get(name, "look into the log of the platform"))


ADVICE = {
    "disk": "check that WAYPOST_DATA exists and may be read",
    "storage": "check WAYPOST_STORAGE_URL and WAYPOST_ARCHIVE_URL, and the credentials in the environment",
    "database": "check DATABASE_URL: host, port, user, password and database",
    "broker": "check REDIS_URL: host, port and password",
    "address": "check PUBLIC_URL and its certificate",
}
