"""Log in, and check that what is stored works."""

import getpass
import sys
from typing import Any

from waypost_client import NotAuthenticated, NotConnected, WaypostError
from waypost_client.cli import profiles
from waypost_client.cli.command import Context, argument, command
from waypost_client.client import Client


def login(url: str, tenant: str | None, key: str | None) -> str:
    """Try a key, keep it with the address, and return what to print. Raises Problem, NotConnected."""
    if key is None:
        key = getpass.getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline()
    profile = profiles.Profile(url, key.strip(), tenant)
    with Client(profile.url, profile.key, tenant=tenant, attempts=1) as client:
        client.list_event_types(limit=1).first()
    return f"stored in {profiles.store(profile)}"


@command("whoami", "say which platform, and which tenant, is called")
def whoami(context: Context) -> None:
    """Say it."""
    profile = profiles.load()
    found: dict[str, Any] = {"url": profile.url, "tenant": profile.tenant, "key": f"{profile.key[:7]}..."}
    context.output.one(found)


@command(
    "doctor",
    "check the connection, the key, the clock, and the state of the endpoints",
    argument("--limit", type=int, default=100, help="look at so many endpoints (default 100)"),
)
def doctor(context: Context) -> None:
    """Check one after the other. Raises ValueError if something is wrong."""
    wrong = 0
    for name, check in (("connection and key", _check_key), ("endpoints", _check_endpoints)):
        try:
            for is_right, text in check(context):
                wrong += not is_right
                mark = context.output.color("ok   ", "green") if is_right else context.output.color("wrong", "red")
                context.output.one({"check": name, "ok": is_right, "text": text}, f"{mark}  {text}")
        except NotAuthenticated:
            raise ValueError("the key is not accepted: run `waypost login`") from None
        except NotConnected as error:
            raise ValueError(f"{context.client.http.base_url} cannot be reached: {error}") from None
    if wrong:
        raise ValueError(f"{wrong} things are wrong")


def _check_key(context: Context) -> list[tuple[bool, str]]:
    context.client.list_event_types(limit=1).first()
    return [(True, f"{context.client.http.base_url} answers, and accepts the key")]


def _check_endpoints(context: Context) -> list[tuple[bool, str]]:
    found = []
    try:
        for number, one in enumerate(context.client.list_endpoints()):
            if number == context.arguments.limit:
                break
            reason = one.get("disabled_reason")
            is_right = one["state"] != "disabled"
            text = f"{one['id']}  {one['address']}  {one['state']}" + (f": {reason}" if reason else "")
            found.append((is_right, text))
    except WaypostError as error:
        return [(False, f"endpoints cannot be listed: {error}")]
    return found or [(True, "there are no endpoints yet")]
