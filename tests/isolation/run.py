"""Run attacks one by one: measure the neighbour alone, start the attacker, measure again, end the attacker."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from tests.faults.running_platform import DIRECT
from tests.isolation.attack import Attack
from tests.isolation.measurement import Measurement, Result
from tests.isolation.platforms import Scene, scene, start, stop

WARM_UP = 3.0  # seconds on a new platform that do not count: connections and caches are made
ALONE_AGAIN = 5  # attacks on a platform, until the neighbour is measured alone again
ALONE, BESIDE, GET_GOING = 8.0, 15.0, 2.0  # seconds
LOOK, WELL = 2.0, 1_000.0  # seconds of a measurement after an attack; p99 in milliseconds


def run(
    attacks: Sequence[Attack], *, alone: float = ALONE, beside: float = BESIDE, fresh: bool = False
) -> Iterator[Result]:
    """Yield the result of each attack. A platform that was harmed is replaced, all if ``fresh``."""
    for kind in dict.fromkeys(attack.platform for attack in attacks):
        remaining = [attack for attack in attacks if attack.platform == kind]
        while remaining:
            with scene(kind) as running:
                running.measure(WARM_UP if alone else 0)
                without: Measurement = {}
                while remaining:
                    attack = remaining.pop(0)
                    if alone and (not without or len(remaining) % ALONE_AGAIN == 0):
                        without = running.measure(alone)
                    try:
                        result = run_one(running, attack, without, beside)
                    except RuntimeError as error:
                        print(f"{attack.number}. {attack.name}: could not be measured: {error}")
                        break
                    yield result
                    if fresh or (not result.is_met and not is_well(running)):
                        break


def is_well(running: Scene) -> bool:
    """Return whether a platform has recovered from an attack."""
    found = running.measure(LOOK).values()
    return not any(activity.failures for activity in found) and all(activity.p99 < WELL for activity in found)


def run_one(
    running: Scene, attack: Attack, without: Measurement, beside: float, *, get_going: float = GET_GOING
) -> Result:
    """Run one attack on a platform that is at rest. ``without``: what was measured there without an attacker."""
    before = running.memory()
    facts = attacker_facts(running, attack)
    with ExitStack() as stack:
        attacker = start(running.guard, "attacker_process", facts)
        stack.callback(stop, attacker)
        time.sleep(0 if attack.is_outcome else get_going)
        measured = running.measure(min(5.0, beside) if attack.is_outcome else beside)
        memory = running.memory() - before
        said = end(attacker)
    dispose(running, facts)
    return Result(attack.number, attack.name, without, measured, memory, said["requests"], said["breaches"])


def attacker_facts(running: Scene, attack: Attack) -> dict[str, Any]:
    """Create a tenant for an attacker, and return what its process has to know."""
    platform, operator = running.platform, running.platform_key
    tenant = platform.post("tenants", key=operator, name=f"attacker {attack.number}")["id"]
    keys = [
        platform.post("keys", key=operator, tenant=tenant, name="attacker", scopes=scopes)["key"]
        for scopes in (["publish", "manage", "read"], ["read"])
    ]
    return {
        "number": attack.number,
        "port": platform.port,
        "tenant": tenant,
        "key": keys[0],
        "read_key": keys[1],
        "platform_key": operator,
        "victim": running.facts,
        "data": str(running.database_home),
        "names": running.names,
        "clock": running.clock,
    }


def end(attacker: "subprocess.Popen[str]") -> dict[str, Any]:
    """End an attacker, and return what it says about itself."""
    assert attacker.stdin is not None
    assert attacker.stdout is not None
    attacker.stdin.close()
    return dict(json.loads(attacker.stdout.readline()))


def dispose(running: Scene, facts: dict[str, Any]) -> None:
    """Delete the attacker's tenant, as an operator does, and cancel what is left to deliver."""
    request = urllib.request.Request(
        f"{running.platform.address}/api/v1/tenants/{facts['tenant']}/",
        method="DELETE",
        headers={"authorization": f"Bearer {running.platform_key}"},
    )
    try:
        DIRECT.open(request, timeout=30)
    except OSError as error:
        print(f"   the attacker's tenant could not be deleted: {error}")
