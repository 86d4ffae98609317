"""Load name lookups: names whose servers hang."""

from itertools import count

from tests.isolation.attack import attack
from tests.isolation.attacker import Attacker


@attack(18, "names that never resolve, over the API", by_name=True)
def hanging_names(attacker: Attacker) -> None:
    """40 clients create endpoints whose names never resolve."""
    numbers = count()
    attacker.clients(
        40,
        lambda: attacker.request("POST", "/api/v1/endpoints/", {"url": f"http://h{next(numbers)}.hang.example:8080/"}),
    )


@attack(180, "names that never resolve, in a drain", by_name=True)
def hanging_names_in_drains(attacker: Attacker) -> None:
    """60 endpoints whose names resolved when they were created no longer do."""
    for number in range(60):
        attacker.endpoint(f"http://e{number}.later.example:8080/", f"to.{number}", retry_plan=[1] * 9)
    attacker.sql(
        "UPDATE subscriptions_httpsettings SET url = replace(url, 'later.example', 'hang.example'),"
        " origin = replace(origin, 'later.example', 'hang.example') WHERE url LIKE '%later.example%'"
    )
    attacker.sql("UPDATE subscriptions_endpoint SET version = version + 1000000, updated_at = now()")
    events = [{"type": f"to.{number}"} for number in range(60)]
    attacker.clients(1, lambda: attacker.publish(*events), pause=0.5)


@attack(181, "key servers whose names never resolve", by_name=True)
def hanging_key_names(attacker: Attacker) -> None:
    """Ten sources name key servers whose names never resolve, and get messages all the time."""
    token = attacker.victim["token"]
    for number in range(10):
        options = {"jwks_url": f"http://k{number}.hang.example:8080/", "audience": "neighbour"}
        source = attacker.source(scheme="jwt", options=options)
        url = source["url"]
        attacker.clients(4, lambda it=url: attacker.message(it, authorization=f"Bearer {token}"))
