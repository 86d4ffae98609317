"""Load sending: endpoints that hang, fail, stream, and tell others to wait."""

import socket
import time
from collections.abc import Callable
from itertools import count

from tests.isolation.attack import FAKED_CLOCK, FEW_FILES, attack
from tests.isolation.attacker import Attacker
from tests.receiver import (
    Exchange,
    Respond,
    drip_body,
    drip_head,
    endless,
    hang,
    huge_head,
    interim,
    reset,
    slow,
    status,
)


def flood(attacker: Attacker, respond: int | Respond, endpoints: int = 20, rate: int = 100, **fields: object) -> None:
    """Publish steadily to endpoints that respond in this way."""
    for number in range(endpoints):
        attacker.endpoint(attacker.server(respond, f"/{number}"), f"to.{number}", **fields)
    events = [{"type": f"to.{number % endpoints}"} for number in range(rate)]
    attacker.clients(1, lambda: attacker.publish(*events), pause=1)


@attack(7, "80 endpoints that hang")
def hanging_endpoints(attacker: Attacker) -> None:
    """80 endpoints hang, with the usual limit of 1,024 open files."""
    flood(attacker, hang, endpoints=80, rate=1000, max_in_flight=512)


@attack(70, "80 endpoints that hang, 1,024 files at most", platform=FEW_FILES)
def hanging_endpoints_few_files(attacker: Attacker) -> None:
    """80 endpoints hang, and no process can open more than 1,024 files."""
    flood(attacker, hang, endpoints=80, rate=1000, max_in_flight=512)


@attack(13, "test deliveries to a hanging endpoint", is_short=True)
def hanging_tests(attacker: Attacker) -> None:
    """Four threads send test deliveries to an endpoint that hangs."""
    endpoint = attacker.endpoint(attacker.server(hang), "none", timeout_ms=30_000)
    attacker.clients(4, lambda: attacker.request("POST", f"/api/v1/endpoints/{endpoint}/test/", {"type": "a.b"}))


@attack(3, "consent of a slow host", is_short=True)
def slow_consent(attacker: Attacker) -> None:
    """32 clients ask a host for consent that takes 20 seconds to respond."""
    for number in range(32):
        made = attacker.create("endpoints", url=attacker.server(slow(20), f"/slow/{number}"))
        path = f"/api/v1/endpoints/{made['id']}/verification/"
        attacker.clients(1, lambda it=path: attacker.request("POST", it, {"by": "handshake"}))


@attack(16, "40,000 blocked order keys")
def blocked_keys(attacker: Attacker) -> None:
    """The endpoint of 40,000 ordered events with as many keys fails."""
    attacker.endpoint(attacker.server(500), "ordered", ordering="subject", retry_plan=[3600] * 5, max_in_flight=512)
    for batch in range(40):
        attacker.publish(*({"type": "ordered", "subject": f"{batch}-{number}"} for number in range(1000)))
    keys = count()
    attacker.clients(
        1, lambda: attacker.publish(*({"type": "ordered", "subject": f"{next(keys)}"} for _ in range(200))), pause=1
    )


@attack(17, "the database's clock steps back", platform=FAKED_CLOCK)
def clock_steps_back(attacker: Attacker) -> None:
    """The clock of the database steps back three minutes while the lanes are busy."""
    attacker.endpoint(attacker.server(200), "attack")
    attacker.clients(2, lambda: attacker.publish(*({} for _ in range(50))), pause=0.1)
    time.sleep(3)
    with open(attacker.clock, "w") as clock:
        clock.write("-180")


@attack(40, "OAuth token servers that hang")
def hanging_token_servers(attacker: Attacker) -> None:
    """40 endpoints get their tokens from a server that hangs."""
    for number in range(40):
        auth = {
            "type": "oauth2",
            "token_url": attacker.server(hang, f"/token/{number}"),
            "client_id": "a",
            "client_secret": "b",
        }
        attacker.endpoint(attacker.server(200, f"/{number}"), f"to.{number}", auth=auth)
    events = [{"type": f"to.{number}"} for number in range(40)]
    attacker.clients(1, lambda: attacker.publish(*events), pause=1)


@attack(61, "TLS handshakes that hang")
def hanging_handshakes(attacker: Attacker) -> None:
    """20 endpoints accept connections and never answer the TLS handshake."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    attacker.listeners.append(listener)
    for number in range(20):
        attacker.endpoint(f"https://127.0.0.1:{listener.getsockname()[1]}/{number}", f"to.{number}", retry_plan=[1] * 9)
    events = [{"type": f"to.{number % 20}"} for number in range(400)]
    attacker.clients(1, lambda: attacker.publish(*events), pause=1)


def register(number: int, name: str, respond: Respond, sentence: str, **fields: object) -> None:
    """Register an attack by endpoints that all respond in one way."""

    def run(attacker: Attacker) -> None:
        flood(attacker, respond, **fields)  # type: ignore[arg-type]

    run.__doc__ = sentence
    attack(number, name)(run)


def wait_long(exchange: Exchange) -> None:
    """Respond 429 and ask for an hour."""
    status(429, retry_after=3600)(exchange)


RESPONSES: dict[int, tuple[str, Callable[[Exchange], None], str]] = {
    41: ("responses that never end", endless, "20 endpoints stream endless bodies."),
    42: ("floods of interim responses", interim(20_000), "20 endpoints send 20,000 interim responses each."),
    43: ("429 with Retry-After", wait_long, "20 endpoints respond 429 and ask for an hour."),
    44: ("connections that are reset", reset, "20 endpoints reset every connection, and are retried at once."),
    45: ("responses that drip", drip_body, "20 endpoints send their responses byte by byte."),
    46: ("heads that drip", drip_head, "20 endpoints send the heads of their responses byte by byte."),
    47: ("responses with huge heads", huge_head(2_000_000), "20 endpoints send heads of 2 MB."),
}
for _number, (_name, _respond, _sentence) in RESPONSES.items():
    register(_number, _name, _respond, _sentence, retry_plan=[1] * 9, rate=300)
